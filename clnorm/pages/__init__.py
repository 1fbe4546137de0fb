"""Pages that are one HTML file each: what all of them share in style, escaping and safety, and how they are written."""
