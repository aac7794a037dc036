"""The commands of `memql`, and what they ask files and servers by."""
