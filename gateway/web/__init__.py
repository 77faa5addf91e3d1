"""The mechanics of HTTP that the APIs share; it knows none of them."""
