import Testing

@Suite struct IdentityPlaceholder {
    @Test func builds() {}
}
