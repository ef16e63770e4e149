"""Every setting: its group, its default, its environment variable and its meaning. One module for each group."""
