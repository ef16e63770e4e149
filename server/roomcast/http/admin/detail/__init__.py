"""What the admin page shows of one upload."""
