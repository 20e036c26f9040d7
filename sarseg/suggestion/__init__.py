"""Where labels would teach a model most: rows of its map -> squares -> a ranking -> polygons."""
