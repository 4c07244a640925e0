"""What several families share: readers of calls, of their arguments, and of the values in them."""
