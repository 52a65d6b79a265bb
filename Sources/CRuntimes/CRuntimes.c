#include "CRuntimes.h"
