"""What the schema says of itself: tables, a page, JSON Schemas."""
