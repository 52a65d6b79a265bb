import Testing

@Suite struct WeirHTTPPlaceholder {
    @Test func builds() {}
}
