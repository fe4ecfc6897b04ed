# The SDK as its users meet it.
CHECKS += check-sdk
.PHONY: check-sdk
check-sdk: all
	$(Q)tests/sdk/check-sdk.sh $(O) '$(MAKE)'
