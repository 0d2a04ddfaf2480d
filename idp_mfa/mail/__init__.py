"""Mail: how a letter is worded, and the roads by which it goes."""
