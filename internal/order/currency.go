package order

import "strings"

// The codes of ISO 4217 by their number of decimals. They include codes withdrawn since
// 2020, because orders placed before may still be read. Codes that are not money (XXX,
// XTS, metals) are excluded. This package has its own table because the locale data of
// golang.org/x/text/currency describes how money is commonly displayed (IDR or COP
// without decimals), not how it is counted, and has no code newer than 2017.
const (
	noDecimals    = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
	threeDecimals = "BHD IQD JOD KWD LYD OMR TND"
	fourDecimals  = "CLF UYW"
	twoDecimals   = "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD " +
		"CAD CDF CHE CHF CHW CNY COP COU CRC CUC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD " +
		"GTQ GYD HKD HNL HRK HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD " +
		"MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB " +
		"SAR SBD SCR SDG SEK SGD SHP SLE SLL SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN " +
		"UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG ZWL"
)

// decimals returns the number of decimals of a currency, and reports whether the currency
// exists.
func decimals(code string) (int, bool) {
	if len(code) != 3 || strings.Contains(code, " ") {
		return 0, false
	}
	switch {
	case strings.Contains(twoDecimals, code):
		return 2, true
	case strings.Contains(noDecimals, code):
		return 0, true
	case strings.Contains(threeDecimals, code):
		return 3, true
	case strings.Contains(fourDecimals, code):
		return 4, true
	default:
		return 0, false
	}
}
