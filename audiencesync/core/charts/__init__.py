"""Charts of counts by time, drawn on the server as SVG: bins of time, bars, axes."""
