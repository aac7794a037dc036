"""The language: its values, names and errors. Nothing here does I/O or knows a clock."""
