"""What a reflection file says: its columns, statistics of its data, twin tests and free set."""
