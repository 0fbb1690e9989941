"""What experiments return and pages show: rows, tables, figures, published figures, claims."""
