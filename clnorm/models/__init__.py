"""The backbones, their building blocks, and the pretrained weights that they can start from."""
