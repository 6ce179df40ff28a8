r"""Rules and templates of the English examples: one line is one alternative, or one template.

`{slot}`, `{person.form}` and `«this|or this»` are read by `english.py`; `\n` and `\t` are a new line and a tab.
"""

from __future__ import annotations

RULES: dict[str, str] = {
    # Organisations
    "brand": r"""
{brandhead}{brandtail}
{brandhead}{brandtail}
{noun}{noun}
{noun} {noun}
{in_all} {noun}
{amblast}
""",
    "company": r"""
{company_known}
{company_known}
{company_known}
{last} {trade}
{last} & {last}
{last}, {last} & {last} LLP
{last} & «Sons|Daughters|Associates|Partners|Co.»
{last} and «Sons|Associates|Partners»
{last} {trade} {suffix}
{brand} {trade}
{brand} {trade}, {suffix}
{brand} {suffix}
{brand}
{brandhead}{brandtail}
{brandhead}{brandtail} {trade}
{first} {last} {trade}
{first}'s {trade}
{in_all} {trade}
{in_big} {trade} {suffix}
{noun} {trade}
{noun} {noun} {trade} {suffix}
{noun} & {noun}
{company_known} «India|UK|Deutschland|Canada|Asia Pacific|North America|Japan»
Bank of {in_big}
{in_big} «National|Savings|Commercial|Development» Bank
""",
    "bank": r"""
{in_big} «Bank|National Bank|Savings Bank|Credit Union»
First {noun} Bank
Bank of {in_country}
{last} «Capital|Bank|Bank & Trust|Brothers»
{noun} Credit Union
HDFC Bank
Chase
""",
    "agency": r"""
{agency_known}
{agency_known}
{agency_known}
Ministry of {portfolio}
Department of {portfolio}
«Federal|National|State» {orgform} for {portfolio}
{in_all} «City Council|Police Department|Police|Fire Department|County Council|Chamber of Commerce|Housing Authority|Borough Council|Sheriff's Office|Planning Commission|Transit Authority|School Board»
{in_state} «Department of Health|National Guard|State Police|Department of Motor Vehicles|Supreme Court»
{in_county} «Sheriff's Office|Board of Supervisors|Public Schools»
National «Assembly|Security Council|Audit Office|Bureau of Statistics|Transport Safety Board|Weather Service»
{in_country} «Football Association|Army|Air Force|Red Cross|Olympic Committee|Central Bank»
""",
    "court": r"""
«Supreme|High|District|Family|Regional|Magistrates'|Crown|Federal|County|Constitutional» Court
{in_all} «Crown|District|County|Magistrates'|Regional» Court
Court of «Appeal|Appeals|Cassation|Justice|Session»
European Court of Human Rights
U.S. District Court for the «Northern|Southern|Eastern|Western» District of {in_state}
Supreme Court of {in_country}
""",
    "school": r"""
{university_known}
{university_known}
University of {in_all}
{in_all} University
{in_state} State University
{in_all} «High School|Community College|Grammar School|Academy|Polytechnic|Primary School|Institute of Technology|Business School|Medical School|School of Art|Elementary School|Law School»
{last} «College|University|High School|Middle School|Academy|School of Business»
{first} {last} «High School|Elementary School|University|College»
{saint} «School|College|Primary School|High School|Girls' School|Academy»
University of {in_state} at {in_all}
""",
    "hospital": r"""
{hospital_known}
{saint} «Hospital|Medical Center|Hospice|Clinic»
{in_all} «General Hospital|Medical Center|Royal Infirmary|Clinic|District Hospital|Children's Hospital|University Hospital|Family Practice|Dental Care|Surgery»
{last} «Clinic|Memorial Hospital|Medical Centre|Family Practice»
{noun} «Health|Medical Group|Health Centre|Physiotherapy»
""",
    "club": r"""
{club_known}
{club_known}
{in_all} {mascot}
{in_big} {mascot}
FC {in_big}
{in_all} «Chess|Rowing|Golf|Tennis|Yacht» Club
AC {in_all}
""",
    "party": r"""
{party_known}
{party_known}
{in_country} «National|Labour|People's|Democratic|Green» Party
«New|National|People's|Democratic|Social Democratic|Christian Democratic|Progressive» «Alliance|Party|Union|Front|Movement»
""",
    "band": r"""
{band_known}
{band_known}
The {noun} {bandnoun}
The {bandnoun}
{noun} {bandnoun}
{first} and the {bandnoun}
{last} {bandnoun} Trio
""",
    "media": r"""
{media_known}
{media_known}
{in_all} «Times|Herald|Gazette|Post|Tribune|Chronicle|Evening News|Observer|Star|Daily News|Echo|Courier|Sentinel»
The {in_all} «Times|Herald|Gazette|Post|Mail»
Radio {in_all}
{noun} Magazine
{last} Books
""",
    "charity": r"""
{cause} {orgform}
{in_all} {cause} {orgform}
{first} {last} Foundation
National {orgform} of {portfolio}
{in_country} {cause} {orgform}
International {orgform} for {cause}
Friends of {in_all}
Save the {noun}
""",
    "union": r"""
«National Union of Teachers|United Auto Workers|Unite|UNISON|AFL-CIO|SEIU|IG Metall|Verdi|CGT|Teamsters|ASLEF|RMT|Writers Guild|Equity»
{in_all} «Teachers|Nurses|Firefighters|Police» «Association|Union»
""",
    "org": r"""
{company}
{company}
{company}
{company}
{agency}
{agency}
{school}
{hospital}
{club}
{media}
{party}
{charity}
{bank}
{band}
""",
    # Places
    "city": r"""
{cityname}
""",
    "country": r"""
{in_country}
{in_country}
«China|India|Russia|Germany|France|Japan|Brazil|Canada|Mexico|Italy|Spain|Iraq|Iran|Syria|Israel|Egypt|Turkey|Greece|Kenya|Nigeria|Chad|Jordan|Georgia|Ukraine|Poland|Sweden|England|Scotland|Wales|America|Britain|Great Britain|Burma|Czech Republic|Soviet Union|West Germany|Yugoslavia|North Korea|South Korea|Holland»
{regionname}
""",
    "state": r"""
{in_state}
""",
    "county": r"""
{in_county}
{ukcounty}
""",
    "region": r"""
{regionname}
{regionname}
«northern|southern|eastern|western» {in_country}
{in_all} «Province|District|Prefecture|Oblast|County|Region»
""",
    "river": r"""
{water}
{water}
River {in_all}
{in_all} River
Lake {last}
{last} «Creek|Lake|Bay|Falls»
""",
    "building": r"""
{sight}
{sight}
{in_all} {buildingform}
{last} {buildingform}
{noun} {buildingform}
{saint} «Church|Cathedral|Cemetery»
«Terminal 2|Pier 39|Gate B|St Paul's Cathedral|Hotel California|The Ritz|Savoy Hotel|Radio City»
""",
    "street": r"""
{streetword} {typeuk}
{streetword} {typeus}
{last} «Street|Road|Avenue|Lane»
{in_all} «Road|Street»
Rue {last}
«Calle|Via|Avenida|Rue de|Plaza» {in_all}
""",
    "place": r"""
{in_big}
{cityname}
{cityname}
{cityname}
{country}
{country}
{in_state}
{region}
{river}
{building}
{street}
{in_all} «County|Township|Heights|Beach|Bay|Island|Village»
""",
    # Addresses
    "usstreet": r"""
{house} {streetword} {typeus}
{house} {streetword} {typeus}
{house} «N|S|E|W|N.|S.|E.|W.|North|South|East|West|NE|SW» {streetword} {typeus}
{house} {last} {typeus}
{house} «Highway|Hwy|County Road|State Route|US-|FM» {nn}
{house} «Broadway|The Alameda|Avenue of the Americas|Park Plaza»
{house} {streetword} {streetword} {typeus}
""",
    "unit": r"""
Apt {nn}
Apt. {n}{letter}
Apartment {n}
Suite {nnn}
Ste {nnn}
Unit {n}
#{nnn}
Floor {n}
{n}th Floor
Bldg {letter}
""",
    "ukunit": r"""
Flat {n}
Flat {n}{letter}
Unit {n}
{n}th Floor
{noun} House
{noun} Cottage
The Old «Mill|Rectory|Bakery|Forge»
Apartment {nn}
""",
    "ukstreet": r"""
{nn} {streetword} {typeuk}
{n} {streetword} {typeuk}
{nn}{letter} {last} {typeuk}
{nnn} {in_all} Road
""",
    "usaddress": r"""
{usstreet}, {in_US}, {uscode} {zip}
{usstreet}, {in_US}, {uscode} {zip}
{usstreet}, {unit}, {in_US}, {uscode} {zip}
{usstreet} {unit}, {in_US}, {uscode} {zip}
{usstreet}, {in_US}, {in_state} {zip}
{usstreet}, {in_US}, {uscode}
{usstreet}, {unit}, {in_US} {uscode} {zip}«|, USA|, United States|, US»
{usstreet}, {in_US}, {uscode} {zip}, USA
«P.O. Box|PO Box|P. O. Box» {nnn}, {in_US}, {uscode} {zip}
{unit}, {usstreet}, {in_US}, {uscode}, {zip}
{usstreet}, {in_US} {zip}
""",
    "ukaddress": r"""
{ukstreet}, {in_GB} {postcode}
{ukstreet}, {in_GB}, {postcode}
{ukstreet}, {in_GB}, {ukcounty} {postcode}
{ukstreet}, {in_GB}, {ukcounty}, {postcode}«|, UK|, United Kingdom|, England»
{ukunit}, {ukstreet}, {in_GB} {postcode}
{ukunit}, {ukstreet}, {in_GB}, {postcode}«|, UK»
{ukunit}, {ukstreet}, {in_GB}, {ukcounty} {postcode}
{noun} House, {streetword} {typeuk}, {in_GB} {postcode}
PO Box {nnn}, {in_GB} {postcode}
{ukstreet}, {in_GB}
""",
    "caaddress": r"""
{usstreet}, {in_CA}, {caregion} {capost}
{nnn} {usstreet}, {in_CA}, {caregion} {capost}
{nn}-{usstreet}, {in_CA}, {caregion} {capost}, Canada
{usstreet}, {unit}, {in_CA} {caregion} {capost}
{house} rue {last}, {in_CA} QC {capost}
PO Box {nnn}, {in_CA}, {caregion} {capost}
""",
    "auaddress": r"""
{nn} {streetword} {typeau}, {in_AU} {austate} {fourdigits}
Unit {n}, {nn} {last} {typeau}, {in_AU} {austate} {fourdigits}
{n}/{nn} {streetword} {typeau}, {in_AU}, {austate} {fourdigits}«|, Australia»
Level {n}, {nnn} {streetword} {typeau}, {in_AU} {austate} {fourdigits}
PO Box {nnn}, {in_AU} {austate} {fourdigits}
{nn} {streetword} {typeau}, {in_NZ} {fourdigits}, New Zealand
""",
    "inaddress": r"""
{nn}, {inlocality}, {in_IN} {pin}
{nn}/{n}, {streetword} Road, {inlocality}, {in_IN} - {pin}
Flat No. {nnn}, {noun} Apartments, {inlocality}, {in_IN}, {instate} {pin}
Flat {nnn}, {last} Towers, {nn}th Cross, {inlocality}, {in_IN} {pin}
H.No. {n}-{nn}-{nnn}, {inlocality}, {in_IN}, {instate} - {pin}«|, India»
Plot No. {nn}, {inlocality}, {in_IN}, {instate} {pin}
#{nn}, {n}th Main, {inlocality}, {in_IN} {pin}
{letter}-{nn}, {inlocality}, {in_IN}-{pin}
House No. {nn}, Street {n}, {inlocality}, {in_IN}, {instate}, India
""",
    "ieaddress": r"""
{nn} {streetword} {typeuk}, {in_IE}, {iecounty}
{nn} {streetword} {typeuk}, {iecounty}, {eircode}
Apt {n}, {streetword} Hall, {in_IE}, {iecounty} {eircode}
{n} {last} Terrace, {iecounty}«|, Ireland»
""",
    "otheraddress": r"""
{in_DE}er «Straße|Str.» {nn}, {fivedigits} {in_DE}
«Hauptstraße|Bahnhofstr.|Goethestraße|Lindenweg» {nn}{letter}, {fivedigits} {in_DE}«|, Germany»
{nn} «rue|avenue|boulevard|place» «de la République|Victor Hugo|Pasteur|de {in_FR}», {fivedigits} {in_FR}«|, France»
Calle {last} {nn}, {n}º {letter}, {fivedigits} {in_ES}«|, Spain»
Via {last} {nn}, {fivedigits} {in_IT}«|, Italy»
{last}straat {nn}, {fourdigits} {letter}{letter} {in_NL}
Blk {nnn} {streetword} Ave {n}, #{nn}-{nnn}, Singapore {digits}
{nn} {last} Street, {in_NG}, Lagos«|, Nigeria»
Plot {nn}, {last} Crescent, Wuse II, Abuja
{nn} {streetword} Street, {in_ZA}, {fourdigits}«|, South Africa»
House {nn}, Street {n}, F-{n}/{n}, Islamabad
Flat {letter}, {nn}/F, {noun} Building, {nnn} {in_big} Road, Kowloon, Hong Kong
Room {nnn}, No. {nn} {noun} Road, Chaoyang District, Beijing 100{nn}
{nn} {last} St., Brgy. {last}, {in_PH}, {fourdigits} Philippines
P.O. Box {fivedigits}, «Dubai|Abu Dhabi|Sharjah», «UAE|United Arab Emirates»
ul. {last} {nn}/{n}, {nn}-{nnn} Warszawa
""",
    "address": r"""
{usaddress}
{usaddress}
{usaddress}
{usaddress}
{ukaddress}
{ukaddress}
{ukaddress}
{caaddress}
{auaddress}
{inaddress}
{inaddress}
{ieaddress}
{otheraddress}
""",
    "addresslines": r"""
{usaddress}
{usaddress}
{ukaddress}
{ukaddress}
{caaddress}
{auaddress}
{inaddress}
{ieaddress}
{otheraddress}
""",
    "streetno": r"""
{usstreet}
{ukstreet}
{usstreet}, {unit}
{ukunit}, {ukstreet}
{nn} {streetword} {typeau}
{usstreet}, {in_all}
{ukstreet}, {in_GB}
""",
    # Clauses
    "amblast_p": r"""
{amblast}
""",
    "who": r"""
{person}
""",
    "lead": r"""
On {weekday},
In {month},
Earlier this week,
After «months|weeks|years» of talks,
Meanwhile,
According to {media},
In {place},
Despite {nat} objections,
In {year},
Last night
""",
    "reaction": r"""
«said|told reporters|warned|admitted|argued|insisted|claimed|tweeted» that the {adj} {thing} was «late|dangerous|overdue|not for sale|a mistake»
declined to comment
called it “{adj} and {adj}”
denied any wrongdoing
promised to «resign|appeal|return to {place}|pay {money}|sue {org}»
refused to speak to {media}
«says|said» {who} «lied|was right|never paid|is innocent»
«praised|blamed|criticised|defended» {org} «for the {thing}|over its {product}|on {weekday}»
«praised|blamed|criticised|defended» {who} «in front of reporters|in a tweet|»
urged {country} to «sign|leave {agency}|release {who}»
did not return calls from {media}
welcomed the {agency} report
«plans|wants|hopes» to «visit {place}|meet {who}|buy {org}»
""",
    "did": r"""
bought a {thing} «in {place}|from {org}|for {money}|»
joined {org} «in {year}|as a {job}|after {n} years at {org}»
moved «to {place}|from {place} to {place}|back to {place}»
was «arrested in {place}|elected {rank}|promoted to {job}|fired by {org}|seen near {place}|born in {place}»
signed the {thing} «on {date}|with {who}|»
lost {money} «at {org}|in {place}|last {month}»
studied {subject} at {school}
«met|sued|married|called|thanked|replaced» {who}
spoke {lang} «and {lang}|with the {nat} delegation|»
«opened|closed|visited|ran» a {thing} shop in {place}
wrote to {who} «about the {thing}|from {place}|twice»
«won|lost» the {eponym} Prize «in {year}|for {subject}|»
played for {club} «against {club}|until {year}|and {country}»
took the train from {city} to {city}
«accused|cleared|convicted» {who} of fraud
«left|founded|quit|ran|advised» {org}«| in {year}| to join {org}»
was treated at {hospital} for {condition}
«took over as|resigned as|became» {rank} «of {org}|of {country}|in {year}»
«crossed|swam across|painted» the {river}
named {a.his} {thing} after {who}
filed a complaint «against {org}|with {agency}|about {who}»
has been a {job} «at {org}|in {place}|for {nn} years»
shares a flat with {who} «on {street}|in {place}|»
«voted|campaigned|stood» for the {party} in {place}
has never «been to {place}|heard of {org}|met {who}|used {product}»
gave the {thing} to {who}
prefers {tech} to {tech}
is flying to {city} on {date}
""",
    "tail": r"""
, {who} said
, according to {org}
, a spokesman for {org} said
 after {n} years
 in {place}
 on {weekday}
, sources told {media}
 despite {nat} pressure
, officials in {place} said
, {media} has learned
, the {agency} said in a statement
, {who}, a {job} at {org}, said
 near {place}
 outside {building}
 and {n} others
 with {who}
 for {org}
, according to {who}
 last {month}
""",
    "ask": r"""
Can you check the {thing}?
Please let me know by {weekday}.
Could you send the {thing} to {person.first} before {date}?
Let me know what {person.first} thinks.
Is {weekday} at {time} OK?
I attach the {thing}.
We still need sign-off from {org}.
Please copy {person} on this.
I met {person} from {org} in {place}.
The {thing} is at {streetno}.
{person.first} and {person.first} will join us at {building}.
Did {person.first} sign the {thing}?
Our contact at {org} is {person}.
Please forward this to {person.mr}.
I will be in {city} «next week|on {weekday}|until {date}».
The {tech} upgrade is done.
My manager {person} has approved {money}.
Please ship it to {address}.
I used to work with {person} at {org}.
The invoice from {company} is overdue.
Happy {holiday}!
We have moved to {address}.
""",
    "hi": r"""
Hi
Hello
Dear
Hey
Good morning
Hi there
Morning
""",
    "bye": r"""
Best
Best regards
Kind regards
Regards
Thanks
Many thanks
Cheers
Yours sincerely
Sincerely
Best wishes
Thx
Love
Warmly
Yours faithfully
""",
    "sep": r"""
:
:« »
:« »
« - »
« = »
:\t
""",
    "namelabel": r"""
Name
Full name
Customer
Customer Name
Patient
Patient Name
Contact
Contact person
Applicant
Employee
Employee name
Attn
Recipient
Cardholder
Account holder
Signed by
Prepared by
Reviewed by
Approved by
Reporter
Assignee
Author
Owner
Manager
Emergency contact
Next of kin
Beneficiary
Tenant
Landlord
Student
Teacher
Guest
Passenger
Insured
Claimant
Defendant
Plaintiff
Witness
Physician
Referring doctor
Consultant
Interpreter
Spouse
Mother's maiden name
From
To
Cc
""",
    "addresslabel": r"""
Address
Home address
Mailing address
Billing address
Shipping address
Ship to
Bill to
Deliver to
Delivery address
Registered office
Residence
Location
Postal address
Site
Pickup
Drop-off
Street address
Permanent address
Correspondence address
""",
    "orglabel": r"""
Company
Employer
Organisation
Organization
Vendor
Supplier
Client
School
University
Institution
Hospital
Bank
Account with
Insurer
Publisher
Agency
Merchant
Sold by
Carrier
Affiliation
Account
""",
    "placelabel": r"""
City
Town
Country
State
Place of birth
Birthplace
Nationality / Country
Destination
Origin
Location
Region
Office
Venue
Departure
Arrival
Country of residence
County
Hometown
""",
    "side": r"""
{in_GB}
{in_big}
{in_english}
{club}
{in_big} {mascot}
""",
    "regiment": r"""
{n}th «Infantry|Armoured|Cavalry» Division
Royal {noun} Regiment
{in_state} National Guard
{nat} «Army|Navy|Air Force»
""",
    # Places in short, and surnames that are part of a term
    "will": r"""
Will
""",
    "hope": r"""
Hope
""",
    "rose": r"""
Rose
""",
    "bill": r"""
Bill
""",
    "mark": r"""
Mark
""",
    "ambname": r"""
{ambfirst} {last}
{ambfirst} {last}
{first} {amblast}
{ambfirst} {amblast}
""",
    "statecode": r"""
{uscode}
""",
    "us": r"""
United States
United States of America
U.S.
US
USA
""",
    "eponym": r"""
{last}
{last}
{last}–{last}
""",
    # Sentences of nobody
    "subj": r"""
the {adj} {thing}
the {thing}
our {adj} {thing}
my {thing}
their {job}
a {nat} {job}
the {job}
the {dept} team
I
we
they
he
she
nobody
everyone
the {nat} {thing}
your {product}
the {tech} {thing}
the {job} and the {job}
most {job}s
this {thing}
""",
    "pred": r"""
«will|may|must|can|might» {act}
«wants|hopes|plans|needs|tried|decided|agreed|refused» to {act}
«did not|never|should not|cannot» {act}
«was|is» «{adj}|late again|out of stock|on hold|under review|not mine|up for renewal in {month}»
«arrived|stopped|broke|started|ended|failed» «on {weekday}|in {month}|at {time}|after {n} hours|during {holiday}|twice»
cost {money} «in {year}|last {month}|, up {pct}|»
""",
    "act": r"""
«check|sign|send|cancel|return|replace|print|translate|renew|move|hide|paint|sell» «the {thing}|a {thing}|it|them|my {thing}|the {adj} {thing}|every {thing}»
«check|sign|send|cancel|return|replace|print» «the {thing}|it|them» «before {weekday}|by {date}|for {money}|again|with {tech}|in {lang}|during {holiday}|at {time}»
«learn|speak|teach|forget» {lang}
«install|upgrade|restart|remove|learn|debug» {tech}
«wait|leave|stay|call back|go home|rest» «until {weekday}|for {n} days|in {month}|»
mark it, chase the bill and hope
grant access, jack up the price or pat the dog
be frank, rich, sunny or rusty
""",
    "title": r"""
«Ten|Five|Seven|Three|100» «Easy|Best|Simple|Hidden|Common» «Ways|Tips|Rules|Mistakes|Ideas»
«The|A|Our|Your» «Complete|Ultimate|Short|Little|Beginner's» «Guide|Handbook|Introduction|History|Checklist»
«Annual|Quarterly|Final|Interim|Weekly» «Report|Review|Summary|Budget|Forecast|Newsletter»
«Getting|Staying|Going|Moving|Running» «Started|Healthy|Green|Forward|Late»
«Frequently Asked|Open|Ten Hard» Questions
«Release|Meeting|Lecture|Delivery» Notes
«Rights|Duties|Definitions|Scope|Purpose|Background|Facts|Procedure|Conclusion|Appendix {letter}»
«Terms of Service|Code of Conduct|Data Processing Agreement|Power of Attorney|Certificate of Completion|Bill of Lading|Letter of Intent»
«How|When|Why|Where» «To|Not To|You Should» «Sell|Save|Write|Ask|Sleep|Learn» «Better|More|Well|Now|»
""",
}

TEMPLATES: dict[str, str] = {
    "news": r"""
{lead} {a.full} {did}{tail}.
{a.full}, {age}, a {job} from {city}, {did}.
{country}'s {rank} {a.full} «met|will meet|has met» {nat} {rank} {b.full} in {city} on {weekday} to discuss {agency} «sanctions|reforms|aid».
{city} ({media}) - {a.full} {reaction}{tail}.
{city}, {month} {n} — {company} «said|announced|confirmed» on {weekday} it would «cut {nnn} jobs|buy {company} for {money}|open a plant in {place}|close its {city} office|recall its {product}».
Shares in {company} «fell|rose|jumped|slid» {pct} after {a.full}, its {job}, {reaction}.
{rank} {a.last} {reaction}, while {rank} {b.last} {reaction}.
“We «will not|must|cannot» {adj} wait,” «said|says|added» {a.full}, {job} «at|of|for» {org}.
“It was {adj},” {a.last} «said|told {media}». “{b.first} and I were {feeling}.”
Police in {place} are looking for a {age}-year-old «man|woman» named {a.full}. {a.last} was last seen «near|outside|in» {place} on {date}.
{club} beat {club} {n}-{n} on {weekday} «thanks to goals from {a.last} and {b.last}|after {a.full} scored twice|at {building}».
{a.full} «of {country}|({country})» «beat|defeated|lost to» {b.full} «of {country}|({country})» 6-{n} 6-4 «in the final|in the second round|at {building}».
The {nat} government has accused {country} of «arming|funding|spying on» {agency} rebels in {region}, {media} reported.
{a.full} and {b.full} were «killed|injured|rescued|among the winners» when a bus «left the road|caught fire» near {place}.
{agency} {job} {a.full} {reaction}.
The {party} «leader|candidate|MP» {a.full} won {pct} of the vote in {place}, ahead of {b.full} of the {party}.
{company}, based in {city}, {state}, and {company} of {country} have agreed to «merge|split|share data|build satellites».
Thousands «marched|gathered|protested» in {city} and {city} on {weekday} against {country}'s {adj} {thing} law.
{a.full}'s «lawyer|sister|agent|spokeswoman», {b.full}, {reaction}.
{a.full}, who «led|founded|ran» {org} from {year} to {year}, has died «at {age}|in {city}|aged {age}». {a.hecap} is survived by {a.his} {a.husband}, {b.first}, and {n} children.
{nat} {job} {a.full} {did} {tail}.
The {river} burst its banks near {place} on {weekday}, «flooding {n} villages|killing {n}|officials said».
Flights from {city} to {city} were cancelled after a storm hit {region}.
A magnitude {n}.2 earthquake struck «off the coast of {country}|{nn} km from {city}|near {place}», the {agency} said.
{a.full} ({club}) {nn} min; {b.full} ({club}) {nn} min; {c.last} (pen) {nn}.
{media}: {a.full} {reaction}
Reporting by {a.full} in {city}; editing by {b.full} and {c.full}
By {a.full} and {b.full} | {media}
By {a.full}, {media} Staff Writer\n{city} — The {job} {did}.
{a.full} contributed to this report from {city}.
{org} said it «had hired|had fired|would sue» {a.full}, the former {job} of {org}.
Mayor {a.full} and {city} police chief {b.full} {reaction}.
The {adj} {thing} was found in {street}, {city}, by {a.full}, a {job}.
Ms. {a.last}, who lives in {place} with {a.his} {a.son} {b.first}, {did}.
{court} «judge|Justice» {a.full} «ruled|found|ordered» on {weekday} that {company} must pay {money} to {b.full}.
After {club}'s «win|defeat|draw» against {club}, «coach|manager|captain» {a.full} {reaction}.
From {city} to {city}, {nat} voters are {feeling}.
{a.full}: ‘{b.first} {did}’
EXCLUSIVE: {a.full} {did}
«UPDATE|BREAKING|WATCH|Opinion|Analysis|Live»: {org} «sues|buys|rejects|backs» {org} in {place}
{a.last} to «leave|join|face|lead» {org}
{a.last}, {b.last} «clash|agree|talk» over {place} {thing}
{company} «shares slump|to cut jobs|CEO quits» as {country} «votes|protests|reopens»
{place} «floods|fire|blast|strike»: what we know so far about {a.full}
The «dean|president|rector» of {school}, {a.full}, {reaction}.
{band} will play {building} in {city} on {date}, {a.full} of {media} writes.
The «two|three» «suspects|hostages|winners», {a.full}, {b.full} and {c.full}, were «taken to|flown to|released in» {place}.
{a.full}, 1/{n}, «{org}|{city}», and {b.full}, {age}.
«NEW YORK|LONDON|{city}» — {a.full} «spent|has spent» {n} years «in {place}|at {org}» before {a.he} {did}.
“{a.first} was a {adj} «man|woman|friend»,” said {b.full} of {place}.
{charity}, which runs {n} shelters in {place}, thanked {a.mr} and {company} for {money}.
{union} members at {company} in {city} «walked out|voted to strike», said {a.full}, «its|the union's» general secretary.
{country} and {country} «signed|broke off» talks in {city}, «the {agency} said|{media} reported».
In a {adj} «interview|speech|letter» to {media}, {a.full} {reaction}.
The film, directed by {a.full} and starring {b.full} and {c.full}, opens in {country} on {date}.
{a.full} (born {b.plain}), the {nat} {job}, {did}.
Nominees: {a.full}, {b.full}, {c.full}, {d.full}.
{state} {rank} {a.full} ({statecode}) {reaction}.
Sen. {a.full}, R-{statecode}, and Rep. {b.full}, D-{statecode}, {reaction}.
{school} researchers led by {a.full} have found a {adj} link between coffee and {condition}.
The {media} «poll|survey» puts {a.last} at {pct} and {b.last} at {pct}.
{a.last} {did}. {b.last} did not. Both «men|women» {reaction}.
{a.last}'s {thing} cost {company} {money}.
{side} {n} {side} {n}
{side} {n}, {side} 0 (halftime 0-0)
{side} {nn} {n} {n} {n} {nn} {nn} {nn}
{nat} first division: {side} v {side}, {side} v {side}
SOCCER - {side} «BEAT|HELD BY|LOSE TO» {side}.
TENNIS - {a.last} «BEATS|OUT OF» {b.last} IN {city}.
Scorers: {side} - {a.full} ({nn}), {b.full} ({nn} pen). {side} - {c.full} ({nn}).
1. {a.full} ({country}) {n} minutes {nn}.{nn} seconds\n2. {b.full} ({country}) {n}:{nn}.{nn}\n3. {c.full} ({country}) {n}:{nn}.{nn}
{a.full} ({country}) beat {b.full} ({country}) 6-{n} 7-5
{city} {year}-{nn}-{nn}
{city} at {city}, {time}
{a.last} c {b.last} b {c.last} {nn}; {d.last} not out {nn}. {side} {nnn} all out.
{company} Q{n} net {money} vs {money}; {a.full}, {job}, {reaction}.
{city} stocks end {pct} lower as {company} and {company} fall.
-- {city} newsroom, {a.full}, {phone}
{nat} President {a.full}, on a visit to {country}, {reaction}.
{nat} {rank} {a.last} told {rank} {b.last} in {city} that {country} would not leave {agency}.
Rebels loyal to {a.full} seized {place} and {place}, witnesses said.
{a.full} told {media} in {city}: “{country} is not {country}.”
In {city}, about {nnn} people gathered at {building}, {media} reported.
The {agency} in {city} said {n} of its staff in {region} were missing.
{a.full}, the {city} {job} whose {thing} {company} recalled, {did}.
Crude from {country} fell {pct} after {agency} met in {city}.
A spokesman for {a.last}, {b.full}, {reaction}{tail}.
The {us}, {country} and {country} abstained, while {country} voted in favour.
{a.full} and {a.his} {a.husband} {b.first}, who live on {street}, {did}.
“{country} is our home,” said {a.full}, {age}, a {job} who fled {place} in {year}.
{a.last} was replaced by {b.last} after {nn} minutes; {c.last} hit the post for {side}.
""",
    "court": r"""
The applicant, {a.mr}, was born in {year} and lives in {city}.
The applicant, {a.full}, is a {nat} national who was born in {year} and lives in {city} ({country}). {a.hecap} was represented before the Court by {b.mr}, a lawyer practising in {city}.
The applicants, {a.full} and {b.full}, were «arrested|detained|heard» on {date} at {place}.
{a.last} v. {b.last}, {nnn} U.S. {nn} ({year})
In {a.last} v {b.last} [{year}] EWCA Civ {nnn}, {c.last} LJ held that the {thing} was void.
«State|People|Commonwealth» v. {a.last}
{company} v. {company}, No. {nn}-{nnn}
«{us}|{country}» v. {a.last}
{a.last} v. {agency}
Case of {a.last} v. {country} (application no. {fivedigits}/{nn})
The plaintiff, {company}, a company incorporated in {state}, alleges that the defendant {a.full} {did}.
{court} (Judge {a.last}) dismissed the appeal on {date}.
Before: LORD JUSTICE {a.last}, MRS JUSTICE {b.last} and SIR {c.full}
Counsel for the appellant: {a.full} QC and {b.full}, instructed by {company}.
{a.full} (for the Claimant)\n{b.full} (for the Defendant)
On {date} the {court} convicted {a.mr} of «fraud|theft|assault» and sentenced {a.him} to {n} years.
The Government were represented by their Agent, {a.mr}, of the {agency}.
According to the witness {a.full}, the accused had been at {street} in {city} at {time}.
{a.mr} submitted that {b.mr} had {reaction}.
The tenant, {a.full}, of {address}, failed to pay rent of {money}.
IN THE MATTER OF THE ESTATE OF {a.full}, DECEASED
This Agreement is made on {date} between {x.full} (“the Company”) and {a.full} of {address} (“the Employee”).
THIS LEASE is made between {a.full} (the “Landlord”) and {b.full} (the “Tenant”) for the premises at {address}.
I, {a.full}, of {address}, «make oath and say|solemnly declare|appoint {b.full} as my executor» as follows:
Signed by {a.full} for and on behalf of {org} in the presence of {b.full}
The Court notes that {a.mr}, then {age} years old, was questioned by officer {b.last} at {place} police station.
{a.last} J, dissenting: the reasoning in {b.last} v {c.last} does not apply.
{a.mr} appealed to the {court}, arguing that Article 6 of the Convention had been breached by {country}.
Mr Justice {a.last}: {b.plain} lived with {b.his} mother in {place} until {year}.
The defendant {company} has its registered office at {address}.
By letter of {date}, {agency} informed {a.mr} that the {thing} had been refused.
The victim, {a.firstinitial}, and the accused, {b.full}, knew each other from {school}.
The panel: {a.initials}, President, {b.initials}, {c.initials}, Judges, and {d.initials}, Registrar.
Having deliberated in private, the Court, composed of {a.full}, {b.full} and {c.full}, delivers the following judgment:
See {a.last} and Others v. {country}, no. {fivedigits}/{nn}, § {nn}, {date}; and {b.last} v. {country} [GC].
Detective {a.full} of the {agency} testified that {b.last} {did}.
Affidavit of {a.full}, sworn at {city} in the County of {county} on {date}.
The parties, {a.last} and {b.last}, divorced in {city} in {year}; their son {c.first} remained in {country}.
{company} was served at {address} on {date}.
The «first|second|third» defendant is {a.full}, the {job} of {company}, {city}.
The case originated in an application (no. {fivedigits}/{nn}) against «the Republic of |the Kingdom of |»{country} lodged with the Court under Article 34 of the Convention by a {nat} national, {a.mr} (“the applicant”), on {date}.
PROCEDURE\n1. The case originated in an application (no. {fivedigits}/{nn}) against {country} lodged by {n} {nat} nationals, {a.mr}, {b.mr} and {c.mr}, on {date}.
2. The applicant was represented by {a.mr}, a lawyer practising in {city}. The {nat} Government (“the Government”) were represented by their Agent, {b.mr}, «of the {agency}|from the {agency}».
The applicant was born in {year} and lives in {city}. He is currently detained in {building}.
On {date} the {court} remanded the applicant in custody. {a.mr}, his lawyer, lodged an appeal with the {court}.
On {date} officers {a.initials} and {b.initials} of the {city} police searched the applicant's flat at {streetno}.
{nn}. The {court} heard evidence from {a.lastinitial}, {b.lastinitial} and {c.lastinitial}, who confirmed that the applicant had left {place} on {date}.
The public prosecutor of {city} brought charges against {a.mr} and {b.mr} for forgery.
The applicant's «wife|brother|mother|son», {a.full}, visited him in {building} on {date}.
Relying on Article 8 of the Convention, {a.mr} complained that the {agency} had refused to issue him a passport.
The President of the Section gave {company} and {charity} leave to intervene as third parties.
{a.full} was the editor of {media}, a newspaper published in {city}.
The applicant company, {company}, has its registered office in {city}.
{nn}. In {month} {year} the applicant moved to {country}, where he worked for {company}.
A.B., {c.initials} and {d.initials} were heard as witnesses before the {court} in {city}.
At the hearing, {a.full}, counsel for {company}, cross-examined Dr {b.last} about {condition}.
Messrs {a.last} and {b.last} and Mme {c.last} signed in {city}.
The respondent, born {date} in {city}, is the «father|mother» of {a.first} and {b.first}.
It is ordered that {company} shall pay {a.full} {money} within {nn} days.
{a.last} and {b.last} v {company} plc [{year}] 2 AC {nnn}
R v {a.last} ({b.first})
In re {company}, {nnn} B.R. {nn} (Bankr. {year})
Ex parte {a.last}; Re {b.last}
The learned judge, {a.last} J., referred to {b.last} v. {agency}.
Attorneys: {a.full}, {city}, for plaintiff; {b.full}, {agency}, for defendant.
OPINION BY {a.last}, Circuit Judge
Sergeant {a.last} stopped {b.full} on {street} and found {money} in a bag.
The child, {a.first}, lives with her grandparents, {b.full} and {c.full}, at {address}.
Done in English, and notified in writing on {date}.\n{a.full}\tRegistrar\n{b.full}\tPresident
{a.full}, the complainant, met the accused in {city} through {company}.
{agency} v. {a.full} (Case No. {nn}-cv-{fivedigits})
The deceased, {a.full}, aged {age}, of {streetno}, was found near {place} by {b.full}.
""",
    "bio": r"""
{a.full} (born {date} in {city}) is a {nat} {job}.
{a.full} ({years}) was a {nat} {job} and {job}.
{a.full}, née {b.last}, «was born in|grew up in» {city}, {country}, the «son|daughter» of {c.full}, a {job}.
{a.hecap} studied {subject} at {school} «under {b.full}|, graduating in {year}|and {school}».
In {year} {a.last} moved to {city}, where {a.he} worked for {org} until {year}.
{a.last}'s «first|best-known|last» «novel|film|album|book», «The {noun}|{noun} and {noun}», was published by {media} in {year}.
{a.hecap} married {b.full} in {year}; they had «two sons, {c.first} and {d.first}|a daughter, {c.first}|no children».
{org} is a {nat} «company|charity|organisation» based in {city}. It was founded in {year} by {a.full} and {b.full}.
{city} is a «city|town|municipality» in {region}, {country}, on the {river}. It had a population of {nn},000 in {year}.
The {river} rises in {region} and flows through {city} and {city} before it reaches the {river}.
{building} is a {adj} building in {city}, designed by {a.full} and completed in {year}.
{a.full} played as a {job} for {club}, {club} and {club}, and was capped {nn} times for {country}.
{a.last} is buried in {building}, {city}.
«His|Her» pupils included {a.full}, {b.full} and {c.full}.
After the war {a.he} taught at {school} in {city} and became a member of the {agency}.
{band} are a {nat} rock band formed in {city} in {year}. The group consists of {a.full} (vocals), {b.full} (guitar) and {c.full} (drums).
{company} was acquired by {company} in {year} for {money}.
The Battle of {city} was fought in {year} between {nat} troops under {a.full} and the army of {country}.
{a.full} was the {n}th {rank} of {country}, succeeding {b.full}.
The species was described by {a.full} in {year} from specimens collected near {place}.
{a.full} is known for «proving|inventing|discovering» the {eponym} theorem with {c.full} at {school}.
The {party} is a political party in {country}. Its leader is {a.full}.
{media} described {a.last} as “the {adj} {job} of {country}”.
{a.full} may refer to:\n* {a.plain} ({job}) (born {year}), {nat} {job}\n* {a.plain}, a {nat} ship
Early life\n{a.last} was born to {nat} parents in {place}, the «third|second» of {n} children of {b.full} and {c.full}.
{hospital} is a hospital in {city}, {country}, named after {a.full}.
{street} runs from {building} to {building} in central {city}.
{school} was founded in {year} by {a.full} in {city}.
{county} is a county in {state}; its seat is {city}.
{a.full}, better known as {nick}, is a {nat} {job} who has worked with {band} and {b.full}.
The {agency} awarded {a.him} the {eponym} Prize in {year}.
{a.full} died in {city} on {date} and left {a.his} papers to {school}.
Alumni: {a.full}, {job}; {b.full}, {job}; {c.full}, {job}.
The asteroid was named after {a.full}.
{club} is a football club from {city}, {country}. It plays its home games at {building}.
King {a.first} II of {country} was the «son|brother|uncle» of Queen {b.first} and Prince {c.first} of {region}.
{a.last}, {a.first} ({year}). {subject} of the {noun}. {city}: {media}.
{a.lastinitial}, {b.lastinitial}, & {c.lastinitial} ({year}). On {condition}. Journal of {subject}, {nn}({n}), {nnn}–{nnn}.
{a.full} is the author of «{noun} of {noun}|The {adj} {job}» and lives in {place} with {a.his} {a.husband}, {b.full}.
Born in {place} to a {nat} {job}, {a.last} «attended|graduated from|taught at» {school} before moving to {place} to join {org}.
{a.full} (* {date} in {city}; † {date} in {city}) was a {nat} {job}.
{a.full} served in the {regiment} and fought at {place} under General {b.last}.
From {years} {a.he} was {rank} of {country}, a post earlier held by {b.full} and {c.full}.
In {year}, {a.he} «co-founded|left|chaired» {org} together with {b.full} and {c.full}.
The {media} called {a.last}'s debut “{adj}”; {b.full} of {media} disagreed.
{a.full} made {a.his} debut for {club} against {club} in {year} and later coached {club}.
{place} is located {nn} km «north|south|east|west» of {city}, on the road to {place}.
The nearest airport is {building}; trains run to {city} and {city}.
The town was part of {country} until {year}, when it became part of {region}.
{place} borders {country}, {country} and the {river}.
The album was recorded in {city} with {a.full} on drums and released by {company}.
The film stars {a.full} as a {job} and {b.full} as {c.first}, and was shot in {place}.
{a.full} voiced {b.first} in the {year} series.
The episode was written by {a.full} and directed by {b.full}. It aired on {media} on {date}.
{company} was listed in {city} in {year}; its chairman is {a.full}. Its rivals include {company} and {company}.
The {school} campus lies between {street} and {street} in {city}.
Notable residents\n* {a.full} (born {year}), {job}\n* {b.full} ({years}), {job}\n* {c.full}, {rank} of {country}
The airline flies from {city} to {city}, {city} and {city}.
The church of {building} was rebuilt in {year} by {a.full}.
The bridge over the {river} connects {city} with {city}.
The {last} family came from {place}; {a.full} was their last member.
Political offices\nPreceded by {a.full}\nSucceeded by {b.full}
{eponym}'s theorem is named after {a.full}, who proved it at {school} in {year}.
Sultan {a.first} and Emperor {b.first} III signed the Treaty of {city} in {year}.
It is the capital of {region} and the seat of the {agency}.
The genus was named in honour of the {nat} botanist {a.full}.
{a.full} — {nat} {job}, born in {city}, {country}.
The {nat}-born {job} {a.full} won the {eponym} Medal of the {agency}.
The ship left {city} on {date} under Captain {a.full} and sank off {place}.
The constituency of {place} elected {a.full} of the {party} in {year}.
Members: {a.full} – vocals; {b.full} – bass; {c.full} – drums. Label: {company}.
The {nat} painter {a.last} was a pupil of {b.last} in {city}.
The {nat} edition has an article about {a.full}.
""",
    "mail": r"""
{hi} {a.first},\n\n{ask} {ask}\n\n{bye},\n{b.first}
{hi} {a.first},\n\n{ask}\n\n{bye},\n{b.full}\n{job}, {x.full}\n{b.email} | {phone}
Dear {a.mr},\n\nThank you for your {thing}. {ask}\n\nYours sincerely,\n\n{b.full}\n{job}\n{org}\n{addresslines}
From: {a.full} <{a.email}>\nTo: {b.full} <{b.email}>\nCc: {c.full} <{c.email}>\nSubject: {adj} {thing}\n\n{hi} {b.first},\n{ask}\n\n{a.first}
From: {a.plain}\nSent: {weekday}, {date} {time}\nTo: {b.plain}; {c.plain}\nSubject: RE: {thing}\n\n{ask}
From: "{a.lastfirst}" <{a.email}>\nTo: {b.lastfirst}\nDate: {date}\n\nSee below.
On {date}, {a.full} wrote:\n> {ask}\n> {a.first}\n\nThanks {a.first}! {b.first}
On {weekday}, {date} at {time} {a.full} <{a.email}> wrote:
---------- Forwarded message ---------\nFrom: {a.full} <{a.email}>\nDate: {date}\nSubject: Re: {org} {thing}\nTo: {b.full}
{a.first} -\n\n{ask} {b.first} is in {place} until {weekday}.\n\n{c.first}
{hi} {a.first} and {b.first},\n\nI spoke with {c.full} from {org} about the {thing} in {place}. {ask}\n\n{bye}\n{d.first}
Hi all,\n\nPlease welcome {a.full}, who joins us as {job} from {org}. {a.first} will report to {b.full} in our {city} office.\n\n{bye},\n{c.first}
{bye},\n\n{a.full}\n{job} | {company}\n{address}\nM: {phone}
{bye},\n{a.first}\n\n--\n{a.full}\n{company}\n{phone}
{a.full}, PhD\nDepartment of {subject}\n{school}\n{city}, {country}
Dear «Sir or Madam|Hiring Manager|Customer|Team|All|Sir»,\n\n{ask}\n\nYours faithfully,\n{a.full}
Dear {a.full},\n\nYour {thing} from {company} has shipped to {address}. {ask}
{a.last},\n\n{ask}\n\n{b.last}
Hello {a.first}, this is {b.first} from {org}. {ask} Thanks, {b.plain}
PS: say hi to {a.first} and the kids. {b.first}
Sent from my {product}\n\n> On {date}, {a.full} wrote:
Hi Dr. {a.last},\n\nI am a student of {subject} at {school}. {ask}\n\n{bye},\n{b.full}
To: {a.full}, {b.full}, {c.full}\nFrom: {d.full}\nRe: {company} {thing}
Subject: Introduction: {a.first} <> {b.first}\n\n{a.first}, meet {b.first}, {job} at {company}. {b.first}, {a.first} runs {org} in {place}.
Dear {a.first}, dear {b.first},\n\nour address has changed to {address}. {ask}\n\n{c.full}
Thanks, {a.first}.
Cheers {a.first}, see you in {place}!
Out of office: I am in {place} until {date}. In urgent cases please contact {a.full} ({a.email}) or {b.full}.
{a.first}'s out today, so please send the {thing} to {b.first} instead.
Hi {a.first}\n{ask}\nRgds\n{b.initials}
{a.full}\nc/o {b.full}\n{addresslines}\n\n{date}\n\nDear {b.first},
{x.full}\n{addresslines}\n\n{date}\n\n{a.full}\n{addresslines}\n\nDear {a.mr},\n\n{ask}
Invitation: {thing} with {a.full} @ {weekday} {date} {time} ({a.email})
{a.full} has invited you to «join|edit|view» “{thing}”
You have a new message from {a.full} on {company}.
{hi} {a.first},\n\nI hope you are well. I am writing on behalf of {x.full}, where {b.full} and I run {dept}. {ask} {ask}\n\n{bye}\n\n{c.full}\n{x.full}\n{addresslines}
{hi} {a.first} – {b.first} is on leave, so {c.first} ({c.email}) covers {place}. {ask} {bye}, {d.first}
Dear Professor {a.last},\n\n{b.full} of {school} suggested that I write to you. {ask}\n\n{bye},\n{c.full}
Dear Mr. and Mrs. {a.last},\n\n{ask}\n\n{bye},\n{b.full}, {school}
Dear {a.first} and all at {company},\n\n{ask} {ask}\n\n{bye}\n{b.first}
Message-ID: <{hex}@example.com>\nFrom: {a.email}\nTo: {b.email}\nX-From: {a.plain}\nX-To: {b.plain}\nX-cc: {c.lastfirst}\nX-Folder: Inbox
{a.first}, {b.first},\nFYI. {ask}\n{c.first}
Begin forwarded message:\n\nFrom: {a.full}\nDate: {date}\nTo: {b.full}, {c.full}\n\n{ask}
""",
    "chat": r"""
hey tell {a.first} im late
hey {a.first}, are you coming to {place} on {weekday}?
{a.first} said {b.first} is {feeling} lol
omg did you hear about {a.first} and {b.first}??
is {a.first} still at {org}?
can someone ping {a.first} about the {thing}
i'm at {place} with {a.first}, {b.first} and {c.first}
my boss {a.first} wants the {thing} by {weekday}
{a.first}: where r u\n{b.first}: {place}, stuck in traffic\n{a.first}: k
{a.first} {time}: {ask}\n{b.first} {time}: on it
[{time}] {a.full}: {ask}\n[{time}] {b.full}: ok {a.first}, will ask {c.first}
<{a.first}> {ask}\n<{b.first}> no idea
@{a.first} can you look at the {thing}?
thanks {a.first}!
ty {a.first} ur the best
happy birthday {a.first}!! miss you
going to {place} tmrw, anyone in?
just landed in {city}, {feeling}
yo {a.first} u up
my {a.brother} {a.first} lives in {place} now
mom says uncle {a.first} is in {hospital} again
should i take the job at {company} or stay at {company}?
{a.first} from {dept} told me {company} is hiring
do you know {a.full}? used to work with {b.first} at {company}
saw {a.full} at {building} yesterday!!
i live at {streetno}, come by after {time}
my address is {address}
send it to {address} pls
it's {a.first} btw, new number
who's {a.first}?
idk ask {a.first}
tell {a.first} and {b.first} i said hi
{a.first} & {b.first}'s wedding is in {place} on {date}
ok so {a.first} broke up with {b.first} because of {c.first}
dr {a.last} said it's just {condition}
ms {a.last} gave us homework again
we have {a.mr} for {subject} this year
im from {place} but i live in {place}
{company} won't refund my {thing}, any advice? i'm in {country}
is {place} safe to visit in {month}?
my landlord {a.full} won't fix the boiler at {streetno}, what can i do?
write a birthday poem for my {a.husband} {a.first} who loves {product} and {place}
write a cover letter for a {job} position at {company}. my name is {a.full} and i live in {city}.
help me reply to {a.first}: "{ask}"
My name is {a.full}. I'm a {job} at {org} in {city}.
I'm {a.first}, {age}, from {place}.
Hi, I'm {a.plain} and I need help with my {thing}.
you are a helpful assistant for {company}. the user is called {a.first}.
{a.first} and I went to {school} together
we're meeting {a.first} at {building} at {time}
has anyone seen {a.first}'s {thing}?
lmk when {a.first} gets to {place}
brb, {a.first} is calling
{a.first}? {b.first}? anyone?
good morning {a.first}
love u {a.first} xx
sorry {a.first}, wrong chat
{a.first} got into {school}!!
when does {company} open on {holiday}
how far is {city} from {city}
what's the capital of {country}? is it {city}?
who is {a.full}
tell me about {place}
compare {company} and {company}
ask {a.first} if {b.first} paid {c.first} back
lol {nick} ur so funny
ngl {a.first}'s {thing} is {adj}
{a.first}: hey\n{b.first}: hi {a.first}! how was {place}?\n{a.first}: {adj}. met {c.first} there
A: where is {a.first}?\nB: at {org} until {time}
User: my name is {a.full}, I live in {city}\nAssistant: Nice to meet you, {a.first}!
User: {ask}\nAssistant: Sure. Should I address {a.first} by name?
hello im {a.first} from {city} {country}
call me {a.first}
u know {a.plain} from {school}? shes in {place} now
{a.first} wont answer. try {b.first}
not {a.first}, the other one, {b.first} from {org}
on my way to {building}, {a.first} is driving
booked {place} for {month} with {company}, so {feeling}
{a.first} works at {company} now, {b.first} is at {company}
i was at {hospital} all day with {a.first}
my {a.husband}'s name is {a.first} and our kids are {b.first} and {c.first}
u coming 2 {a.first}s party? its at {streetno}
is {a.first} ok??
grandma {a.first} sends her love from {place}
what do you think about {a.full}?
draft a complaint to {company} about my {thing}. signed, {a.full}, {address}
i need a lawyer in {city}, my boss at {company} fired me
{a.first} asked for the {thing}, can you resend it to {a.email}
Help me plan a {n} day trip to {place} and {place} with {a.first}
pretend you are {public} and talk about {place}
{a.first} my dude, {feeling}
dm {a.first} or {b.first} if you want in
what time is it in {city} when it's {time} in {city}?
""",
    "tweet": r"""
RT @{a.user}: {a.full} {did} {url}
{a.full} is «trending|the GOAT|so overrated|my hero» {hashtag}
Just saw {band} live in {city}! {emoji} {hashtag}
{club} vs {club} tonight!! come on {club} {emoji}
Can't believe {a.full} {did} {emoji}
I'm at {building} ({city}, {statecode}) {url}
{a.last} «what a goal|you legend|out|for president» {emoji}
Happy birthday @{a.user} {emoji} love you {a.first}
#{in_big} here we come {emoji}
good morning {city} {emoji}
{media}: {a.full} {reaction} {url}
Watching {a.full} on {media} and I'm {feeling}
{company} «customer service|app|wifi» is the worst. {hashtag}
.@{a.user} why is {company} ignoring {country}? {hashtag}
Listening to {band} - {noun} {bandnoun} {emoji} #NowPlaying
{a.first} you are «amazing|so cute|hilarious» {emoji} {emoji}
missing {city} already {emoji} {hashtag}
{place} weather today: {nn}° and raining {emoji}
{a.full} x {b.full} {emoji}
So proud of {a.full} and everyone at {org} {hashtag} {url}
{a.last} > {b.last} don't @ me
New job! {job} at {company} in {city} starting {weekday} {emoji}
When {a.first} «texts|calls|ignores» you on a {weekday} {emoji}
Jobs: {job} ({city}, {country}) {url} {hashtag}
Thanks to {a.full}, {b.full} and {c.full} for a {adj} evening at {building} {hashtag}
First {a.last}, now {b.last}. what is happening at {club}
{country} out of the World Cup {emoji} {a.last} crying
vote {a.last}! {party} {hashtag}
who else thinks {a.full} looks like {b.full} {emoji}
{city} >>> {city}
lmao {a.first} really said that {emoji}
RT {media}: Police in {place} arrest {a.full} {url}
In {place} with {a.first} {emoji} {url}
RIP {a.full} {emoji} you changed my life
Dear {company}, where is my {thing}?? {hashtag}
Anyone from {place} here? {emoji}
{a.first} follow me please {emoji} {emoji}
Stuck on the train at {place} again, thanks {company} {emoji}
watching {product} with {a.first} and {b.first} {emoji}
{school} class of {year} {emoji}
Big up {a.full} for the {thing} {emoji}
today in {year}: {a.full} {did} {hashtag}
{a.last} and {b.last} both out injured for {club} vs {club}, says {c.last}
Photo: {building}, {city} {url}
I liked a video {url} {band} - {noun} (Official Video)
""",
    "ticket": r"""
{ticket}: Customer {a.full} reports that the {product} «does not start|is broken|shows an error». Assigned to {b.first}.
[{date} {time}] Agent {a.first}: Hello {b.first}, how can I help?\n[{date} {time}] {b.first}: my {thing} never arrived at {address}
Reporter: {a.full}\nAssignee: {b.full}\nPriority: P{n}\nSummary: {tech} upgrade breaks {tech}\n\n{c.first}, please have a look.
Caller {a.mr} ({phone}) asked for a refund of {money}. Told {a.him} that {b.first} in {dept} will call back.
Customer: {a.full}\nAccount: {digits}\nIssue: moved from {city} to {city}, new address {address}
Hi {a.first}, thanks for contacting {company} support. My name is {b.first}. {ask}
Escalated to {a.full} ({dept}) by {b.full} at {time}; root cause in {tech}, see {ticket}.
{a.first} closed {ticket}: "{thing}" as duplicate of {ticket}
{a.full} commented: {b.first}, the {tech} job fails again since {weekday}.
Technician {a.full} visited {address} on {date}; customer {b.mr} not at home.
Spoke to {a.full}, {job} at {company}. {a.hecap} wants {n} more licences for {product}. Follow up {date}.
User {a.full} ({a.user}) cannot log in to {tech}. Reset by {b.first}.
INCIDENT {ticket}\nOn-call: {a.full}\nBackup: {b.full}\nImpact: {pct} of requests in {city} failed\nTimeline:\n{time} {a.first} paged\n{time} {b.first} rolled back {tech} {ver}
Order #{digits} for {a.full} was delivered to the neighbour, {b.mr}, at {streetno}.
Guest {a.full} (room {nnn}) complains about noise from room {nnn}. {b.first} at reception informed.
Complaint from {a.full}, {city}: {company} charged {money} twice.
Call transcript\nAgent: Thank you for calling {company}, this is {a.first}.\nCaller: Hi {a.first}, this is {b.full} in {city}.\nAgent: Can you confirm your address?\nCaller: {address}.
Merged by {a.full}; reviewed by {b.first} and {c.first}.
Shipment {digits} left {city} hub at {time}, next stop {city}, {country}.
Please grant {a.full} from {org} access to {tech}. Approved by {b.full}.
{a.full} wrote on {date}:\nHi, I live in {city}, {country}, and the {product} I bought from {company} is broken. {ask}
Visit summary: {b.first} met {a.full} ({job}) and {c.full} at {company}, {address}.
Lead: {a.full}, {company}, {city}. Interested in {tech}. Owner: {b.first}.
{company} ({city}): outage since {time}, {tech} down, contact {a.first} {phone}
Chat with {a.first} started at {time}\n{a.first}: hi\n{b.full}: Hello, my order {digits} for {address} is late.
""",
    "meeting": r"""
Attendees: {a.full}, {b.full}, {c.full}, {d.full}\nApologies: {e.full}
Present: {a.first}, {b.first}, {c.first}
Minutes of the meeting held on {date} at {building}. Chair: {a.full}. Secretary: {b.full}.
ACTION: {a.first} to send the {thing} to {b.full} at {org} by {weekday}.
- {a.first}: finish the {thing}\n- {b.first}: call {org}\n- {c.first}: book {place} for {date}
{a.first} reported on the {org} {thing}. {b.first} asked about {place}.
{a.mr} proposed and {b.mr} seconded the motion.
Agenda\n1. Welcome ({a.first})\n2. {thing} update ({b.first})\n3. {tech} migration ({c.first} / {d.first})\n4. AOB
Decision: we go with {company} unless {a.first} objects before {date}.
{a.initials} noted that the {agency} had approved the {thing}.
Next meeting: {weekday} {date}, {time}, {building}, {city}. {a.first} will chair.
Action items:\n[ ] {a.first} – {thing}\n[x] {b.first} – {thing} for {org}\n[ ] {c.first} + {d.first} – visit {place}
{a.first} thanked {b.first} and the {dept} team.
Standup: {a.first} is on {tech}, {b.first} is blocked by {company}, {c.first} out sick.
{a.lastinitial}, {b.lastinitial} and {c.lastinitial} absent with excuse.
Motion by {a.last}, second by {b.last}. Ayes: {a.last}, {b.last}, {c.last}. Nays: {d.last}. Carried.
The treasurer, {a.full}, reported a balance of {money} at {bank}.
1:1 with {a.first}: wants to move to {city}; {b.first} to check with {dept}.
Q: ({a.full}, {media}) When will {country} sign? A: ({b.last}) Soon.
""",
    "cv": r"""
{a.full}\n{address}\n{phone} | {a.email}\n\nEXPERIENCE\n{x.full}, {city} — {job} ({years})\n- Led {tech} migration\n{y.full}, {city} — {job} ({years})\n\nEDUCATION\n{school}, BSc {subject}, {year}
CURRICULUM VITAE\nName: {a.full}\nDate of birth: {date}\nPlace of birth: {city}, {country}\nNationality: {nat}\nLanguages: {lang}, {lang}
{job}, {company}, {city}, {state} | {month} {year} – Present
{years}  {job}, {company} ({city}, {country})
{school} — M.Sc. {subject}, {years}. Thesis supervised by Prof. {a.full}.
Skills: {tech}, {tech}, {tech}, {tech}\nLanguages: {lang} (native), {lang}\nReferences: {a.full}, {job} at {company}; Dr. {b.full}, {school}
Profile\n{job} with {nn} years of experience at {company}, {company} and {org}. Fluent in {lang} and {lang}.
Worked with {a.full} at {company} on {tech} and {tech}.
Education\n• {school}, {city} — BA {subject} ({year})\n• {school} — PhD {subject} ({year})\n\nCertifications\n• AWS Solutions Architect, PMP, Scrum Master
Volunteer: {charity}, {city} ({year}–present)
Work History\n\n{job}\n{company} - {city}, {statecode}\n{month} {year} to Current\n- Managed {nn} staff and a budget of {money}\n- Reported to {a.full}
References\n{a.full}\n{job}, {company}\n{phone}\n\n{b.full}\n{job}, {school}\n{b.email}
Awards: {eponym} Prize ({year}), Employee of the Month at {company}
Interned at {company} in {city} and {agency} in {city}.
{a.full} | {city}, {statecode} | {phone} | linkedin.com/in/{a.user}
Publications\n{a.lastinitial}, {b.lastinitial} ({year}) {adj} methods in {subject}. {media}.
Cover letter\n\nDear {b.mr},\n\nI am writing to apply for the post of {job} at {company}. I have worked at {company} since {year} and hold a degree in {subject} from {school}.\n\nSincerely,\n{a.full}
Summary: {adj} {job} seeking a position in {place}. Previously at {company}.
{a.full}\n{job}\n{city}, {country} • {phone} • {a.email}
{company}                {city}, {country}\n{job}                {month} {year} - {month} {year}
Work Experience\n{job}\n{company}\n{city}, {statecode}\n{month} {year} to Present\n• Developed {tech} services with {tech} and {tech}.\n• Worked with clients such as {company} and {company}.
Education\nB.E. in {subject}\n{school} - {city}, {region}\n{year} to {year}
Application Development Associate - {company}\n\n{city}, {region} - Email: {a.email}
{a.full}\n{city}, {region} - Email: {a.email}\n• {job} with {n} years of experience in {tech}, {tech} and {tech}
Client: {company}, {country}\nRole: {job}\nEnvironment: {tech}, {tech}, {tech}
Fluent in {lang}; visa for {country}; driving licence; willing to relocate to {city} or {city}.
Declaration: I hereby declare that the above is true.\nPlace: {city}\nDate: {date}\n({a.full})
Father's Name: {a.full}\nMarital Status: Single\nPermanent Address: {address}\nLanguages Known: {lang}, {lang}, {lang}
Trained {nn} new {job}s at the {city} branch of {company}.
Objective: to work as a {job} in a {adj} company.\nSkills: Microsoft Excel, {tech}, {tech}, Teamwork
{job} at {company}, reporting to {a.full}; responsible for {region} and {country}.
Internship, {company}, {city} ({n} months). Project: {tech} for {company}.
Fellow of the {agency}; member of the {charity} and the {union}.
{year}: M.A. {subject}, {school}\n{year}: B.A. {subject}, {school}\n{year}: {school}, {city}
Keynote at the {city} conference on {subject}, {year}; panel with {a.full} and {b.full}
Patents: “{adj} {thing}”, with {a.full} ({company})
Microsoft Certified Professional, Oracle Certified Java Programmer, ITIL v3, Six Sigma Green Belt
""",
    "medical": r"""
Pt {a.full}, {age} y/o {a.sex}, presents with {condition}. Started on {drug} by Dr. {b.last}.
PATIENT: {a.lastfirst}\nDOB: {date}\nMRN: {digits}\nATTENDING: {b.full}, MD\nDX: {condition}
{a.mr} was seen in clinic at {hospital} on {date} for follow-up of {condition}.
Discharge summary: {a.full} was admitted to {hospital} on {date} under the care of Dr {b.last}. {a.hecap} was discharged home to {address}.
Dear Dr {a.last},\n\nThank you for referring {b.full} (DOB {date}), a {job} from {place}, with {condition}.\n\nKind regards,\nDr {c.full}\n{hospital}
Referred by Dr. {a.full} at {hospital}; next of kin: {b.full} ({b.brother}), {phone}.
{a.first} lives with {a.his} {a.husband} {b.first} in {place}. Non-smoker. On {drug}.
Nurse {a.first} gave {drug} at {time}; {b.mr} tolerated it well.
Hx: {condition}, {condition}. Meds: {drug}, {drug}. Seen by {a.last} and {b.last}.
The patient's mother, {a.full}, reports that {b.first} has had {condition} since {month}.
MRI of the brain, {date}. Indication: {condition}. Radiologist: {a.initials}, MD.
Appt with {a.full}, DDS, {hospital}, {weekday} {time}
{a.mr}, who recently travelled to {country}, tested positive for {code}.
Rx: {drug}\nPatient: {a.full}\nAddress: {address}\nPrescriber: {b.full}
Babinski sign negative, Glasgow Coma Scale 15, Apgar 9. Patient {a.full} stable.
Emergency contact {a.full}, {a.son} of {b.mr}, lives in {city}.
Ward round: Bed {n} {a.last}, Bed {nn} {b.last} – {condition}, Bed {nn} {c.last} – for discharge.
Therapist {a.full} notes that {b.first} felt {feeling} after the visit to {place}.
{a.lastfirst}, {age}{letter}, {hospital}, bed {nn}: {condition}, on {drug}
Dr. {a.full}, Dr. {b.full} and nurse {c.full} operated on {d.full} at {hospital}.
{a.full} is a {age}-year-old {nat} {a.man} from {place} with a history of {condition} who was seen by {b.full}, {job}.
Consent given by {a.full} ({b.first}'s {b.brother}).
Social history: works for {company} in {city}, married to {a.first}, two children ({b.first}, {c.first}).
Transferred from {hospital} to {hospital} on {date} per {a.dr}.
CC: {condition}. HPI: {a.mr} returned from {country} {n} days ago.
Pathology, {hospital}: specimen from {a.full}, received {date}, signed {b.initials}.
""",
    "hr": r"""
Dear {a.first},\n\nWe are pleased to offer you the position of {job} at {x.full}, starting {date}, at our {city} office. You will report to {b.full}.\n\n{c.full}\n{dept}
{a.full} (employee no. {digits}) has been with {company} since {year} and works in {dept}.
This is to certify that {a.full} was employed at {company} as {job} from {date} to {date}.
Warning letter to {a.mr}: on {date} you were absent from the {city} site without notice. Witness: {b.full}.
{a.first}'s performance this year was {adj}. {b.first} and {c.first} praise {a.his} work on {tech}.
Leave request: {a.full}, {date} – {date}, cover: {b.full}, approved by {c.last}.
Exit interview with {a.full}: {a.he} leaves for {company} and moves to {place}.
Please update the payroll for {a.lastfirst}: new address {address}, bank {bank}.
New starters in {month}: {a.full} ({dept}), {b.full} ({dept}), {c.full} ({city} office)
{a.full} reports to {b.full}, who reports to {c.full}.
Candidate {a.full}, currently at {company}, interviewed by {b.first} and {c.first}. Expectation {money}. Verdict: hire.
I would like to report that {a.full} of {dept} {did}.
Team: {a.first} (lead), {b.first}, {c.first}, {d.first}
{company} congratulates {a.full} on {n} years with us!
Reference for {a.full}: I taught {a.first} {subject} at {school}.
Hi {a.first}, {b.first} in {dept} says {c.first} has resigned. {ask}
Org chart: {a.full} (CEO) > {b.full} (CTO) > {c.full} ({job})
{a.lastfirst} | {dept} | {city} | {date}
Payslip {month} {year}\n{company}\nEmployee: {a.full}\n{address}\nNet pay: {money}
On {date} {a.first} told me, in front of {b.full} and {c.full}, that {a.he} was {feeling}.
Applicants for {job}: {a.full} (from {company}), {b.full} (from {school}), {c.full}
{company} has offered {a.full} {money} a year in {city}.
""",
    "form": r"""
{namelabel}{sep}{a.full}
{namelabel}{sep}{a.full}\n{addresslabel}{sep}{address}\nPhone{sep}{phone}
{namelabel}: {a.lastfirst}\nDate: {date}
First name: {a.first}\nLast name: {a.last}\nCity: {city}\nCountry: {country}
First Name: {a.first}\nSurname: {a.last}\nE-mail: {a.email}\n{addresslabel}: {address}
Given name(s): {a.first}\nFamily name: {a.last}\nDOB: {date}\nSex: M\n{placelabel}: {city}
{addresslabel}:\n{a.full}\n{addresslines}
{addresslabel}: {address}
{addresslabel}{sep}{address}\n{namelabel}{sep}{a.full}
{orglabel}{sep}{org}\n{placelabel}{sep}{place}
{orglabel}: {company}\nContact: {a.full}, {job}\n{addresslabel}: {address}
{placelabel}{sep}{city}\n{placelabel}{sep}{country}
{namelabel}: {a.full}   {orglabel}: {company}   {placelabel}: {city}
**{namelabel}:** {a.full}\n**{addresslabel}:** {address}\n**{orglabel}:** {company}
INVOICE No. {digits}\n{company}\n{addresslines}\n\nBill to:\n{a.full}\n{addresslines}\n\nTotal: {money}
Ship to:\n{a.full}\n{company}\n{addresslines}
{a.full}\n{addresslines}
{company}\nAttn: {a.full}\n{addresslines}
{namelabel}: {a.full} {addresslabel}: {address} Tel: {phone} Email: {a.email}
Passenger: {a.lastfirst}\nFrom: {city}\nTo: {city}\nFlight: BA{nnn}\nSeat: {nn}{letter}
Passport\nSurname: {a.last}\nGiven names: {a.first}\nNationality: {nat}\nPlace of birth: {city}
Hotel: {building}\nGuest: {a.full}\nCheck-in: {date}\nCity: {city}, {country}
Pay to the order of {a.full}  {money}\nMemo: {thing}\n{bank}
Signature: ______________  Name: {a.full}  Date: {date}
Signed: {a.full}\nWitness: {b.full}\nDate: {date}
Mother: {a.full}\nFather: {b.full}\nChild: {c.plain}
Beneficiary: {a.full}\nBank: {bank}\nIBAN: DE89 3704 0044 0532 0130 00\nReference: {thing}
Employer: {company}\nOccupation: {job}\nSupervisor: {a.full}\n{addresslabel}: {address}
Driver: {a.full}\nPlate: {nnn} {letter}{letter}\nPickup: {address}\nDrop-off: {address}
Q1. What is your name?\nA: {a.full}\nQ2. Where do you live?\nA: {address}\nQ3. Where do you work?\nA: {org}
Title: Mr\nForename: {a.first}\nSurname: {a.last}\nOrganisation: {org}
Event: {thing}\nSpeaker: {a.full} ({org})\nVenue: {building}, {city}\nDate: {date}
Product: {product}\nColour: Black\nQuantity: {n}\nPrice: {money}\nCustomer: {a.full}
Course: {subject}\nInstructor: {a.full}\nInstitution: {school}\nTerm: Fall {year}
Property: {address}\nLandlord: {a.full}\nTenant: {b.full}\nRent: {money}
Delivery for {a.full}, {address}. Leave with neighbour ({b.mr}).
RETURN ADDRESS\n{a.full}\n{addresslines}
Contact: {a.full} ({a.email}, {phone})
Tel {phone} – ask for {a.first}
{a.full}, {phone}, {a.email}
{a.full} <{a.email}>
{a.full}; {b.full}; {c.full}
1. {a.full}\n2. {b.full}\n3. {c.full}
* {a.full} – {org}\n* {b.full} – {org}\n* {c.full} – {org}
{a.lastfirst}; {b.lastfirst}; {c.lastfirst}
Stops: {city} - {city} - {city} - {city}
Offices: {city}, {city}, {city} and {city}
Card number: 4111 1111 1111 1111\nName on card: {a.plain}\nBilling: {address}
City/State/ZIP: {city}, {statecode} {zip}
Store #{nnn}\n{company}\n{addresslines}\nCashier: {a.first}\nTotal {money}
Regd. Office: {address}
Our address: {address}. Opening hours: {weekday} to {weekday}, {time}.
""",
    "table": r"""
id,name,city,amount\n{n},{a.full},{city},{nnn}\n{nn},{b.full},{city},{nnn}
name,email,company\n{a.full},{a.email},{company}\n{b.full},{b.email},{company}
last_name,first_name,dob\n{a.last},{a.first},{date}\n{b.last},{b.first},{date}
{a.full},{age},{city},{country}
"{a.lastfirst}","{job}","{org}"
{digits},"{a.full}","{address}",{phone}
{a.plain}\t{a.email}\t{city}\t{money}
{a.last}\t{a.first}\t{year}\t{school}
{digits};{a.last};{a.first};{city};{date}
| Name | Role | Location |\n|---|---|---|\n| {a.full} | {job} | {city} |\n| {b.full} | {job} | {city} |
| {a.full} | {org} | {money} |
{"name": "{a.full}", "email": "{a.email}", "city": "{city}"}
{"id": {nnn}, "customer": {"first_name": "{a.first}", "last_name": "{a.last}"}, "address": "{address}"}
{"from": "{a.full}", "to": ["{b.full}", "{c.full}"], "subject": "{thing}"}
[{"user": "{a.user}", "display_name": "{a.full}", "org": "{org}"}]
{"shipping": {"recipient": "{a.full}", "address": "{address}", "country": "{country}"}, "items": {n}}
{"role": "user", "content": "My name is {a.first} and I live in {city}."}
name: {a.full}\nrole: {job}\nteam: {dept}\nlocation: {city}
author = "{a.full}"\npublisher = "{media}"\nyear = {year}
<person><name>{a.full}</name><city>{city}</city></person>
<td>{a.full}</td><td>{company}</td><td>{date}</td>
<option value="{n}">{city}</option><option value="{nn}">{city}</option>
INSERT INTO customers VALUES ({nnn}, '{a.plain}', '{city}', '{phone}');
SELECT * FROM users WHERE name = '{a.plain}' AND city = '{city}';
full_name={a.full}&city={city}&country={country}
BEGIN:VCARD\nFN:{a.full}\nORG:{company}\nTITLE:{job}\nEND:VCARD
rank,team,points\n1,{club},{nn}\n2,{club},{nn}\n3,{club},{nn}
vendor,country,total\n{company},{country},{money}\n{company},{country},{money}
{a.plain} {date} {money} {bank}
{date}  {company}  {city}  -{money}
{date} CARD PAYMENT TO {company} {city} {money}
{nn} {a.lastinitial} {club} {nn} {n} {n}
{city}, {statecode} {nn}F
{a.full}|{address}|{phone}
{weekday}\t{a.first}, {b.first}\n{weekday}\t{c.first}, {d.first}
""",
    "code": r"""
# TODO({a.user}): ask {b.first} «about the {thing}|why {tech} fails|before {date}»
// FIXME: {a.first} said this breaks on {tech}
# {verbcode} this once {a.full} has reviewed it
/* Copyright (c) {year} {a.full}. All rights reserved. */
/* Copyright {year} {company}. Licensed under the Apache License, Version 2.0. */
// Author: {a.full} <{a.email}>
# Written by {a.full}, {school}, {year}
commit {hex}{hex}\nAuthor: {a.full} <{a.email}>\nDate:   {date}\n\n    {verbcode} {tech} client, thanks {b.first}
Co-authored-by: {a.full} <{a.email}>
Signed-off-by: {a.full} <{a.email}>
Reviewed-by: {a.full}
customer = Customer(name="{a.full}", city="{city}")
user.name = '{a.full}'
assert greet("{a.first}") == "Hello, {a.first}!"
print(f"Hello {a.first}, your {thing} ships to {address}")
const users = ["{a.first}", "{b.first}", "{c.first}"];
let address = "{address}";
-- {a.first} wants {nn} rows here, see {ticket}
"""
    + r'''
"""Parser for {company} statements, by {a.full}."""
git commit -m "{verbcode} {tech} as {a.first} asked"
@author {a.full}
maintainers:\n  - {a.full}\n  - {b.full}
{time} INFO  [{tech}] user={a.user} login ok name="{a.full}"
[{date}T10:{nn}:00Z] WARN payment for {a.full} declined by {bank}
logger.info("Order for %s", "{a.full}")  # {b.first}'s test account
// {a.first}: I moved this to {tech} because {b.first} needs it in {city}
$ finger {a.user}\nLogin: {a.user}\tName: {a.full}
''',
    "address": r"""
{address}
{addresslines}
Please send the {thing} to {address}.
She lives at {address}, near {building}.
We moved from {address} to {address} last {month}.
The office at {address} is closed on {holiday}.
Meet me at {streetno} at {time}.
I was born at {streetno}.
The robbery took place at {streetno} on {date}.
{a.full} of {address} won {money}.
{a.full}, {address}, {phone}
{company}, {address}
{company} ({address}) and {company} ({address})
Come to our store at {streetno} in {city}.
Her new address is {address}. His is {address}.
Visit {x.full} at {address} or call {phone}.
Deliver to: {a.full}, {address}. Thanks!
How do I get from {address} to {place}?
Is {address} a residential address?
Our headquarters are located at {address}, and {a.full} is the {job}.
HEADQUARTERS\n{addresslines}
{hospital}\n{addresslines}\n{phone}
Directions: take the {code} to {city}, turn left at {street}, stop at {streetno}.
Parcel for {a.full} at {streetno}, {weekday} {time}.
The house at {streetno} was sold for {money} to {a.full}.
{school}, {address}
Lives: {address}. Works: {streetno}.
Please change my address to {address} as of {date}.
The accused, residing at {address}, was arrested on {street}.
Crash on {street} near {street} in {city}.
We walked down {street}, past {building}, to {street}.
The fire at {address} was out by {time}, {a.full} of the {agency} said.
My old address: {address}\nMy new address: {address}
{namelabel}: {a.full}, residing at {address}, hereinafter “the Buyer”
{address} - is that right, {a.first}?
Property for sale: {n} bed house, {address}, {money}
{streetno}\n{city}\n{country}
Warehouse A: {address}\nWarehouse B: {address}
I have lived at {address} since {year}.
According to his passport, {a.full} lives at {address}.
The parcel ({digits}) goes from {address} to {address}.
{agency}, {address}, {phone}
He was last seen at {streetno}, {a.mr} said.
we r at {streetno} come thru
""",
    "general": r"""
{a.full} {did}.
{a.first} {did}, and {b.first} {did}.
{a.first} and {b.first} {did}.
{a.full}'s {thing} is {adj}.
{a.first}'s {a.brother}, {b.first}, {did}.
{a.name} {reaction}.
When {a.full} {did}, {b.first} {did}.
I think {a.first} is {feeling}.
{a.mr} and {b.mr} {did}.
Did {a.first} {reaction}?
{place} is {adj}. So is {place}.
We drove from {place} to {place} via {place}.
{org} and {org} «share|sold|sued over» a {thing}.
The {org} {thing} is {adj}.
The {thing} from {org} arrived in {place}.
{org}'s {thing} is {adj}; {org}'s is not.
{place}'s {thing} is {adj}.
I grew up in {place}, then lived in {place} and {place}.
My {a.brother} {a.first} works for {org}.
{a.first} introduced me to {b.full}, a {nat} {job}.
“{a.first}!” «shouted|cried|whispered» {b.first}. “Come here!”
"{ask}" asked {a.first}.\n"No," said {b.first}.
{a.first}: {ask}\n{b.first}: Of course, {a.first}.
INTERVIEWER: Where were you born?\n{a.last}: In {place}.
{a.last}: {ask}
Old {a.mr} lived alone near {place}.
Little {a.first} loved {a.his} grandmother in {place}.
{a.first} looked at {b.first}. {b.first} looked away.
Among the guests were {a.full}, {b.full}, and {a.his} cousin {c.first}.
{city}-based {company} «hired|sacked» {a.full}.
It was {a.first} who {did}.
{weekday}: dinner with {a.first} at {place}. {weekday}: {thing} with {b.mr}.
As {a.full} once said, “{adj} is the new {adj}”.
{nat} {job} {a.full} lives in {place}.
Ask {a.first}, {b.first} or {c.first}; they know {place}.
Both {country} and {country} «are|were» members of {agency}.
The best {job}s are from {place}, says {a.full}.
I bought my {product} from {company} in {place}.
{a.first} likes {product}, {b.first} prefers {product}.
{a.first} speaks {lang} and {lang} but not {lang}.
{ambfirst} will «ask|call|join» {a.first} in {month}.
Will {ambfirst} come on {weekday}? {a.first} may.
We met {ambfirst} and {ambfirst} at {building}.
{public} and {public} {did}.
Mr. and Mrs. {a.last} of {place} {did}.
the {a.last} family
The {a.last}s are coming for {holiday}.
Great-aunt {a.first} left {money} to {charity}.
Saint {a.first} and King {b.first} never met.
Both {a.initials} and {b.initials} {did}.
{a.full} ({a.user}) sent {money} to {b.full}.
{a.full} aka “{nick}” {did}.
Captain {a.last} and Sgt. {b.last} patrolled {place}.
Coach {a.last} benched {b.last}; {c.last} started.
Professor {a.last} of {school} teaches {subject}.
I trust {a.first} more than {company}.
{company}, {company} and {company} all use {tech}.
{company} runs {tech} on {tech} in {region}.
{a.first} from {company} showed us {tech} at {building}.
He flew {company} from {city} to {city}.
{a.first} saw {b.first} in {place}; {c.first} saw nobody.
{region} winters are {adj}.
Swimming in the {river} is forbidden, {a.mr} {reaction}.
We climbed {building} and looked over {place}.
{a.first} was born on {date} in {place}, {country}.
She supports {club}, he supports {club}.
{club} fans in {place} are {feeling}.
I read it in {media}, not in {media}.
{band} and {band} toured {country} together.
A letter from {agency} to {a.full} arrived at {streetno}.
Vote for {a.full} of the {party}!
Thank you {a.first}.
{a.first}, {b.first}, {c.first}.
{a.first}?
{a.full}
{place}
{org}
{city}, {country}
{city}, {state}
{a.full}, {job}
{org}, {city}
{a.full}, {org}
{a.initials}, {b.initials}
""",
    "plain": r"""
The {thing} is {adj}.
I am {feeling} today.
«We|They|You» need a {thing} and a {thing} by {weekday}.
Please restart the {tech} pod and check the {tech} logs.
Migrate from {tech} to {tech} before {month}.
How do I deploy {tech} with {tech} on {tech}?
{tech} {ver} is not compatible with {tech} {ver}.
What does {code} mean?
Can I use {product} with {product}?
The new {product} costs {money}, {pct} more than in {year}.
{holiday} is on a {weekday} this year.
The office is closed from {weekday} to {weekday} for {holiday}.
He speaks {lang}, {lang} and a little {lang}.
She is half {nat}, half {nat}.
I love {nat} food and {nat} movies.
{nat} voters and {nat} farmers were {feeling}.
We learned about {era} and {era} in {subject} class.
Translate this sentence from {lang} to {lang}.
The deadline for {code} is {date}.
Will you be there in May? I may be late.
Mark my words: hope is not a plan, and grace is not a strategy.
The rose bushes will bloom in June, may the rain come.
Bill the client for {n} hours and chase the payment.
Jack up the car before you change the tyre.
An apple a day, an orange at noon, a pear at night.
The amazon of tickets will not stop; target the P0 ones first.
Art class is on {weekday}, gene therapy lecture on {weekday}.
A ray of sun, a patch of summer sky, the joy of dawn.
Grant access to the role and drew a diagram of it.
The king, the queen and the bishop stand on C4, the knight on f3.
A baker, a cook and a carpenter walked into a bar.
Turkey sandwich with swiss cheese and french fries, please.
We had a cobb salad, a caesar and a bloody mary.
He wore Wellington boots and a Panama hat.
Fine china cups and a java update: both broke on {weekday}.
Champagne, cheddar, cologne and denim are just words here.
It was an April fool's joke about the month of August.
Rich text and plain text are both fine. Frank talk is better.
Will power is a skill. Faith, hope and charity too.
Please pat the dog, nick the wire, and rob no bank.
The Best Way To Learn {tech}
«Ten|Five|7» «Tips|Reasons|Ways» «To|for» «Improve|Love|Break» Your {tech}
Terms and Conditions
Privacy Policy. Cookie Settings. Contact Us. About Us.
Table of Contents\n1. Introduction\n2. Methods\n3. Results\n4. Discussion
# Getting Started\n\n## Installation\n\nRun `pip install {hex}`.
Chapter {n}: The {adj} {thing}
Data Protection Act, Companies Act {year}, Section {nn}, Schedule {n}
Pursuant to Article {n} of the Convention and Rule {nn} of the Rules of Court
The General Data Protection Regulation and {code} apply to this {thing}.
Error: Connection refused ({ip}:{nnn})
{date} {time} ERROR {tech} worker {n} exited with code {nn}
{time} INFO Started {tech} in {n}.{nn} seconds
def {verbcode}(self, {thing}: str) -> None:
import numpy as np\nfrom pathlib import Path
for i in range({nn}):\n    print(i)
SELECT count(*) FROM orders WHERE total > {nnn} GROUP BY month;
public static void main(String[] args) { System.out.println("Hello World"); }
const [state, setState] = useState(null);
{"status": "ok", "count": {nn}, "items": [{n}, {n}]}
{hex}-{fourdigits}-4abc-9def-{hex}{fourdigits}
Total: {money}\nTax: {money}\nDue: {date}
Call {phone} before {time}.
My password is {hex}, my PIN is {fourdigits}.
version {ver} released on {date}
Monday Tuesday Wednesday Thursday Friday
The President of the Board and the Chief Executive Officer signed it.
the mayor, the judge and the doctor agree
Mr President, ladies and gentlemen,
Dear Sir or Madam, Dear Customer, To Whom It May Concern
Mom and Dad are coming for {holiday}.
Thanks everyone! {emoji}
good night {emoji}
i can't believe it's already {weekday} {emoji}
so {feeling} rn {emoji} {hashtag}
{hashtag} {hashtag} {hashtag}
lol same {emoji}
{emoji} {emoji}
I NEED A {thing} NOW {emoji}
who wants {nat} food tonight {emoji}
new {product} who dis {emoji}
{product} is better than {product}, change my mind
Happy {holiday} everyone! {emoji}
Merry Christmas and a Happy New Year
Watching {product} again, {emoji}
RT if you love {holiday} {emoji}
The patient has {condition} and takes {drug} twice a day.
BP 120/80, HR {nn}, SpO2 98%, Temp 37.{n}. No acute distress.
Assessment and Plan: {condition}. Continue {drug}. Follow up in {n} weeks.
CBC, CMP, TSH and HbA1c ordered. {code} negative.
Symptoms of {condition} include fatigue, Raynaud phenomenon and pain.
Add {n} cups of flour, a pinch of salt and bake at {nnn} degrees.
Preheat oven. Serve with Worcestershire sauce, Brussels sprouts and Yorkshire pudding.
The Doppler effect, Newton's method, Gaussian noise and a Fourier transform
Use Dijkstra's algorithm or a Bloom filter; a Bayesian prior helps.
Murphy's law, Ohm's law and Occam's razor
The Pythagorean theorem is taught in {subject}.
Take the {code}, exit {n}, then the second left.
North, South, East and West
The Agreement shall terminate upon Notice by either Party.
“Confidential Information” means all information disclosed by the Disclosing Party to the Receiving Party.
The Tenant shall pay the Landlord the Rent on the first day of each Month.
The Plaintiff's Motion for Summary Judgment is DENIED.
WHEREAS, the Parties wish to amend the Agreement; NOW, THEREFORE,
Employee of the Month; Best Picture; Player of the Year
Q: How many? A: {nn}.
TODO: write tests. NOTE: do not merge. WARNING: deprecated.
- [ ] update README\n- [x] fix CI\n- [ ] bump {tech}
{tech} vs {tech} vs {tech}: which is faster?
Install {tech}, {tech} and {tech} on {tech}.
I wrote a {tech} script that reads {code} files into {tech}.
The {tech} and {tech} teams sync on {weekday}s.
The model {product} scored {pct} on the benchmark.
NEW {product} DEALS THIS {weekday}
Sales rose {pct} to {money} in {code}.
Q3 revenue was {money}, up {pct} year over year.
Size: XL  Color: Navy Blue  Material: Cotton  SKU: {hex}
Gate {letter}{nn}, Seat {nn}{letter}, Boarding {time}
Act I, Scene {n}. Enter a Messenger.
Our father, who art in heaven
God bless you. Oh my God. Good Lord.
In my opinion, the {adj} {thing} is {adj}. However, Time Will Tell.
Yes. No. Maybe. Okay. Sure. Never. Always.
Hello! How are you? What's up? See you soon. Bye!
How would I write a {tech} query that counts orders by month?
Explain the difference between {tech} and {tech} in simple terms.
Write a story about a {adj} {job} and a {adj} {job}.
Give me a {nat} recipe with {n} ingredients.
As a {job}, I want a {thing} so that I can be {feeling}.
Our SLA is {pct} and our ETA is {time}.
Deep Learning, Machine Learning, Natural Language Processing, Computer Vision
The Bible, the Koran, the Torah and the Vedas
Senior {job} wanted. Must know {tech} and {tech}.
{job}, {job} and {job} needed for {n} weeks.
HTTP 404 Not Found; 500 Internal Server Error; 403 Forbidden
Who will chair in June? We may ask around, I hope.
I will be frank: this is rich.
Please chase the bill, it may be due in August.
He had a dean's list average and a major in {subject}.
Drop a pin, take the lane on the left, park by the lake.
The hunter and the fisher went to the mill by the river.
Little by little the snow turned into rain.
Read the page, ring the bell and pay the price.
Young and old, black and white, short and long
The bank raised its rates; the court and the senate were silent.
She went to university, then to hospital, then to school again.
Our company and your agency should talk to the ministry.
The river, the lake, the mountain and the city of the future
The road was closed, the bridge too. No street was open.
Customer Support Team
Sales Department, Marketing Team and Head Office
Yours sincerely, The Team
Kind regards
{hi} all,\n\nThe {thing} is {adj}.\n\n{bye}
Name: ____ Address: ____ City: ____
Name: N/A\nAddress: N/A\nCompany: none
First Name, Last Name, City, State, Zip
name,email,phone,city
{"name": null, "address": "", "company": null}
class Customer:\n    name: str\n    address: str
Enter your name and address below.
Patient: unknown. Next of kin: none.
From: noreply@example.com\nSubject: Your {thing}
Author: unknown. Publisher: unknown.
Ship to: same as billing
{n} apples, {nn} oranges, {n} bottles of Champagne
{nat} Shepherd, Siamese cat, Shetland pony
{nnn} miles, {nn} Kelvin, {n} Newton, {nn} Watt
He is a Democrat, she is a Republican, they are Buddhists.
The First World War, the Middle Ages and the Renaissance
Windows update KB{digits} failed with 0x{hex}
In Section {n}.{n} of the Master Services Agreement
Figure {n}: {tech} throughput. Table {n}: {tech} latency.
Gold rose to {money}; Brent fell {pct}, copper was flat.
BTC, ETH, USD, EUR, GBP and JPY
Line {n} to Platform {n}, Coach {letter}, First Class
Sagittarius, Leo and Virgo should avoid {weekday}s.
Happy birthday to you, happy birthday dear friend
I'm {feeling}. You're {feeling}. It's {weekday}.
How do you say “{thing}” in {lang}?
System: You are a helpful assistant. Answer in {lang}.
User: hi\nAssistant: Hello! How can I help you today?
What are the side effects of {drug}?
Is {condition} hereditary?
Summarize the attached {thing} in {n} bullet points.
Act as a {job} and review my {thing}.
Make this email sound more professional.
Can you fix my {tech} code? It throws a TypeError on line {nn}.
Traceback (most recent call last):\n  File "main.py", line {nn}, in <module>\nKeyError: '{thing}'
kubectl get pods -n prod | grep {hex}
docker run -p {fourdigits}:80 nginx:{ver}
export AWS_REGION=us-east-1
curl -X POST https://example.com/api/v{n}/{thing}
ALTER TABLE orders ADD COLUMN {hex} VARCHAR({nn});
«So, |Yes, |However, |In {month}, |On {weekday}, |Then |After all, |»{subj} {pred}.
{subj} {pred}, «and|but|because|so|while» {subj} {pred}.
{subj} {pred}. {subj} {pred}.
«Why|When|How» {pred} {subj}?
If {subj} {pred}, {subj} {pred}.
I think {subj} {pred}.
«Can|Could|Should|Will|May» we {act}?
Please {act}.
Please {act} and {act}.
Do not {act}!
{title}
# {title}\n\n{subj} {pred}.
## {title}\n- {act}\n- {act}\n- {act}
{title}: {title}
{n}. {title}\n{nn}. {title}
«Subject|Re|Fwd|Title|Topic»: {title}
{hi},\n\n{subj} {pred}. Please {act}.\n\n{bye}
{hi} «team|all|everyone|folks|both|there»,\n{subj} {pred}.\n{bye}
"{subj} {pred}," it said.
{subj} {pred} {emoji}
«omg|lol|ugh|wow|hmm|ok so|anyway|tbh» {subj} {pred} {emoji}
{hashtag} {subj} {pred} {url}
As {code} says, {subj} {pred}.
# {act}
// TODO: {act}, see {ticket}
/* {subj} {pred} */
def {verbcode}_{hex}():\n    return "{title}"
logger.warning("{subj} {pred}")
[{date} {time}] WARN {tech}: {subj} {pred}
- [ ] {act}\n- [ ] {act}
{"title": "{title}", "status": "{adj}", "n": {nn}}
title,status,due\n{title},{adj},{date}\n{title},{adj},{date}
{subj} {pred}; {code} applies.
{nat} {thing}, {nat} {thing}, {nat} {thing}
How do I {act} in {tech}?
What is {title}?
Write an essay titled “{title}” in {lang}.
The {adj} {product} {pred}.
{product}, {product} and {product}: {subj} {pred}.
""",
    "ordinary": r"""
Will {a.first} come in May? {b.first} may, if April {did}.
I hope {hope} will chase the bill with {a.first}.
{ambfirst} and {ambfirst} work with {a.first} at {company}.
Ask {ambfirst} about the {thing}.
{ambfirst}'s {thing} is {adj}.
hi {ambfirst}, {ask}
{ambname} {did}.
Thanks {ambfirst}, I will mark it in May.
{ambfirst} said the roses are in bloom, grace was said, and hope is not lost.
{ambfirst} ate an apple near {place}; {company} sells none.
We flew over the {river} and ordered from {company}.
I used {tech} at {company} with {ambfirst}.
{rose} rose early, {bill} paid the bill, and {mark} made a mark.
{mark} will mark it, {will} may not, and {hope} hopes so.
The bill is for {bill}; the roses are for {rose}.
The May meeting: {ambfirst} will chair, {a.first} may be late.
{nat} {job} {ambname} likes {nat} food in {place}.
{ambfirst} wrote it in {tech}, {a.first} in {tech}.
{a.full}'s {product} runs {tech}.
{company} sells the {product}; {company} makes the {product}.
I asked {product} about {a.full} and {place}.
{a.first} was {feeling} on {holiday} in {place}.
Christmas in {place} with {ambfirst} and {a.first}
{a.mr} teaches {lang} in {place}.
Turkey is for Thanksgiving; {country} is for the summer.
Dr {a.last} explained {condition} to {ambfirst}.
The {eponym} method was not invented by {a.full}.
Will {will} sign the will? {a.first} will.
{ambfirst} is in {place}. The {thing} is in May.
Is {ambfirst} OK with {tech}? {ambfirst} may know.
{nat} and {nat} {job}s from {country} met {ambname}.
{ambname}, {ambname}
{ambname} and {ambfirst} {did}.
{ambfirst}: can you mark {a.first}'s essay? I may be late.
The Java course by {a.full} at {school} covers Ada, Pascal and Julia.
I told {ambfirst} that the {product} from {company} runs {tech}.
Mr {amblast_p} and Mrs {amblast_p} live on {street}.
{amblast_p} said the {amblast_p}s were late.
Dr {amblast_p} saw {a.first} in March.
""",
    "headline": r"""
{a.last} {did}
{a.full} {did} as {org} «quits|stays|sues»
{org} «BUYS|SUES|DROPS» {org}
{country} AND {country} «SIGN DEAL|END TALKS»
{club} {n}, {club} {n}
{city} MAN {did}
{rank} {a.last} {reaction}
'{adj} {thing}' found in {place}
{a.last} beats {b.last} in {place}
How {a.full} built {company}
Inside {a.full}'s {adj} {place} home
What {country}'s {party} wants
Why {place} loves {a.full}
{company}, {company} in talks over {region} {thing}
{a.last}: 'I {did}'
OBITUARY: {a.full}, {job}, {age}
{weekday} round-up: {a.last}, {b.last} and {org}
LETTER FROM {city}
{agency} warns {company} over {product}
{place} {thing} strike enters {n}th day
{side} {n}-{n} {side}: {a.last} {did}
{company} names {a.full} {job}
{country} vs {country}: {a.last} starts
{a.full} on {place}, {place} and {b.full}
Where is {a.full}?
Ex-{company} {job} {did}
{place}: {nat} {job} {did}
{city} to {city} in {n} hours
""",
}
