"""Backbones from scenes without labels: what is hidden of a scene is to be told from the rest."""
