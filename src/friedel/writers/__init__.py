"""Writers: results become files and objects of other packages."""
