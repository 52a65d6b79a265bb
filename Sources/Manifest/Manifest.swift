// Module Manifest.
