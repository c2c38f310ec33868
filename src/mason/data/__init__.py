"""Reading tables, finding columns, examining data, splitting, ordering, caching tokens."""
