"""What an application adds to Roomcast: authentication, checks of new uploads, listeners to events, and steps."""
