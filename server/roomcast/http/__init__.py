"""The HTTP server: routes, middlewares, errors, and the intake of uploads."""
