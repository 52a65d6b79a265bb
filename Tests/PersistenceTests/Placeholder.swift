import Testing

@Suite struct PersistencePlaceholder {
    @Test func builds() {}
}
