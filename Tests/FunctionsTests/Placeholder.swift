import Testing

@Suite struct FunctionsPlaceholder {
    @Test func builds() {}
}
