"""What users wrote, shown as a page: always sandboxed, never with a cookie."""
