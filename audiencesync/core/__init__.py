"""The ground floor: what every part stands on and nothing of the product is in."""
