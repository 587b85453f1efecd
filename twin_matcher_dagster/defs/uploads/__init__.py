"""What people upload: one partition an upload."""
