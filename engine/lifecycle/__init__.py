"""What happens to events by itself: memories are made of them, and linked. Each part reads, decides, and asks through
the same commands as anyone."""
