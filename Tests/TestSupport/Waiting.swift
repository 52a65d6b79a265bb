/// Waits until a condition holds that nothing announces.
///
/// It looks every few milliseconds: a loop of yields would keep the few cooperative threads busy and starve the very
/// work that is waited for. A test that never gets there is ended by its own time limit.
public func waitUntil(isolation: isolated (any Actor)? = #isolation, _ condition: () async -> Bool) async {
    while !(await condition()) { try? await Task.sleep(for: .milliseconds(2)) }
}
