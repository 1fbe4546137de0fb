"""From archives and folders, as they are found, to the layout that the readers read: `clnorm data prepare`."""
