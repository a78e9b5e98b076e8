"""Where the model lives: the client side, the server and the engine."""
