"""Maps against models, and maps against maps: F of a map, FSC, real-space correlation."""
