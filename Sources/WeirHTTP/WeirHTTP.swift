// Module WeirHTTP.
