"""The pages, room by room; doors.py opens them."""
