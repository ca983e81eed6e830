"""The pages of audiences: their sizes, who is added and removed by which canvas."""
