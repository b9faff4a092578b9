package settings

// syncDir does nothing: Windows has no way to sync a directory, and NTFS
// journals its renames.
func syncDir(string) error { return nil }
