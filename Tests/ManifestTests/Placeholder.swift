import Testing

@Suite struct ManifestPlaceholder {
    @Test func builds() {}
}
