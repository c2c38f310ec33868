"""Training: the loop on one page, and what it stands on."""
