"""Tools for developers: rehearsals, benchmarks and chaos runs on real processes."""
