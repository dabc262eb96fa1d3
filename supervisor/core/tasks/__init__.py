"""Tasks as sources define them, where each stands, and the backlog that ranks them."""
