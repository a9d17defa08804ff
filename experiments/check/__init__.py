"""Whether a student's numbers are what correct code gives, and which known mistake gives them."""
