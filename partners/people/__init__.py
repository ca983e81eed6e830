"""The people of a Sync: lists of them, and another retry for those who are errored."""
