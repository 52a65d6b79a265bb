import Testing

@Suite struct InvocationPlaceholder {
    @Test func builds() {}
}
