"""Rules for the repository: its layers, its documentation, its English, its SQL and its names."""
