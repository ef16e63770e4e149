"""An application's listeners to the events of uploads."""
