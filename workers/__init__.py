"""The second door into the house: what runs without a browser waiting."""
