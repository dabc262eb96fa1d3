"""Starting workers, finding those of an earlier supervisor, and talking to them."""
