"""The routes that `roomcast doctor` calls to find out what a proxy does to requests and responses."""
