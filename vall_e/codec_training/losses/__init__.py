"""The terms of the codec's loss, a file each."""
