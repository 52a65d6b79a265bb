// Module WeirServer.
