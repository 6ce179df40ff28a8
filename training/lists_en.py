"""Word lists for the English examples, written for this project.

Nothing here comes from a data set. Real organisations, products, places and public figures are named from
general knowledge; names of people and cities beyond these are drawn from installed libraries by `english.py`.
"""

from __future__ import annotations


def _split(text: str) -> list[str]:
    return [word.strip() for word in text.replace("\n", " ").split(";") if word.strip()]


AMBFIRST = _split("""
Will; May; Mark; Rose; Grace; Hope; Bill; Jack; Chase; Faith; Joy; Dawn; Summer; April; June; Art; Rich; Pat;
Drew; Sue; Frank; Gene; Ray; Rob; Dean; Grant; Miles; Ivy; Lily; Ruby; Pearl; Amber; Crystal; Jade; Destiny;
Christian; Dick; Max; Victor; Guy; Sky; Rusty; Sunny; Dusty; Penny; Ginger; Hazel; Olive; Daisy; Violet; Iris;
Heather; Holly; Autumn; Melody; Harmony; Charity; Patience; Prudence; Ernest; Earl; Duke; Baron; Major; Cliff;
Forest; Brook; Rocky; Sandy; Robin; Jay; Josh; Nick; Norm; Pierce; Skip; Stew; Trip; Wade; Ward; Wayne; Woody;
Angel; Jesus; Trinity; Genesis; Paris; London; Austin; Dallas; Florence; Sydney; Chelsea; Brooklyn; Savannah;
Virginia; Georgia; Carolina; Dakota; Jordan; Israel; Chad; Kenya; India; China; Asia; Eve; Ace; Buddy; Bud
""")

AMBLAST = _split("""
Baker; Brown; White; Black; Young; Long; King; Rice; Park; Bush; Day; Stone; Banks; Price; Cook; Fox; Wolf;
Field; Hill; Woods; Page; Bell; Love; Power; Strong; Best; Little; Green; Gray; Short; Small; Rich; Sharp; Swift;
Bishop; Pope; Abbott; Knight; Marshall; Judge; Law; Justice; Butler; Carter; Cooper; Mason; Potter; Taylor;
Weaver; Hunter; Fisher; Archer; Gardener; Miller; Smith; Wright; Church; House; Bridge; Street; Lane; Ford; Brook;
Lake; Pool; Rivers; Waters; Flood; Snow; Frost; Winter; Summers; March; May; Monday; Noon; Case; Chance; Chase;
Cash; Pound; Penny; Coin; Gold; Silver; Steel; Diamond; Gates; Jobs; Musk; Cruise; Washington; Lincoln; Jackson;
Berlin; London; Paris; York; England; France; Holland; Ireland; Wales; German; English; French; Major; Sergeant;
Savage; Wise; Moody; Hardy; Goodman; Newman; Freeman; Moon; Star; Sun; Rain; Ray; Rose; Lily; Reed; Root; Berry;
Apple; Pepper; Salmon; Trout; Bass; Crane; Swan; Hawk; Drake; Finch; Lamb; Bull; Hogg; Do; An; So; In; On; He; She; To
""")

PUBLIC = _split("""
Barack Obama; Angela Merkel; Donald Trump; Joe Biden; Hillary Clinton; Vladimir Putin; Xi Jinping; Narendra Modi;
Emmanuel Macron; Boris Johnson; Theresa May; Tony Blair; David Cameron; Justin Trudeau; Jacinda Ardern; Lula da Silva;
Nelson Mandela; Mahatma Gandhi; Martin Luther King Jr.; Abraham Lincoln; George W. Bush; John F. Kennedy; Winston Churchill;
Margaret Thatcher; Ronald Reagan; Bill Gates; Steve Jobs; Elon Musk; Jeff Bezos; Mark Zuckerberg; Tim Cook; Warren Buffett;
Lionel Messi; Cristiano Ronaldo; Serena Williams; Roger Federer; Usain Bolt; LeBron James; Michael Jordan; Muhammad Ali;
Simone Biles; Tiger Woods; Wayne Rooney; David Beckham; Zinedine Zidane; Sachin Tendulkar; Virat Kohli; Lewis Hamilton;
Taylor Swift; Beyoncé; Rihanna; Adele; Ed Sheeran; Justin Bieber; Lady Gaga; Kanye West; Kim Kardashian; Miley Cyrus;
Harry Styles; Selena Gomez; Katy Perry; Eminem; Drake; Jay-Z; Madonna; Michael Jackson; Elvis Presley; John Lennon;
Paul McCartney; David Bowie; Freddie Mercury; Bob Dylan; Leonard Cohen; Tom Hanks; Brad Pitt; Angelina Jolie; Meryl Streep;
Leonardo DiCaprio; Scarlett Johansson; Emma Watson; Daniel Radcliffe; Oprah Winfrey; Stephen Colbert; Alfred Hitchcock;
Steven Spielberg; Shah Rukh Khan; Jackie Chan; Bruce Lee; Ada Lovelace; Alan Turing; Grace Hopper; Marie Curie; Isaac Newton;
Albert Einstein; Charles Darwin; Nikola Tesla; Galileo Galilei; Stephen Hawking; Katherine Johnson; Linus Torvalds;
Leonardo da Vinci; Vincent van Gogh; Pablo Picasso; Frida Kahlo; Ludwig van Beethoven; Johann Sebastian Bach; Mozart; Chopin;
William Shakespeare; Jane Austen; Charles Dickens; Virginia Woolf; J. K. Rowling; J. R. R. Tolkien; Agatha Christie;
Ernest Hemingway; Mark Twain; George Orwell; Gabriel García Márquez; Haruki Murakami; Chinua Achebe; Toni Morrison; Homer;
Napoleon Bonaparte; Julius Caesar; Alexander the Great; Cleopatra; Queen Victoria; Catherine the Great; Genghis Khan;
Socrates; Plato; Aristotle; Immanuel Kant; Karl Marx; Friedrich Nietzsche; Sigmund Freud; Confucius; Ban Ki-moon; Kofi Annan;
Kim Jong-un; Recep Tayyip Erdoğan; Viktor Orbán; Volodymyr Zelenskyy; Benjamin Netanyahu; Yasser Arafat; Saddam Hussein;
Osama bin Laden; Muammar Gaddafi; Bashar al-Assad; Mao Zedong; Deng Xiaoping; Sun Yat-sen; Aung San Suu Kyi; Imran Khan
""")

PARTICLES = _split(
    "van; van der; van den; de; de la; del; di; da; dos; von; von der; bin; ibn; al-; El; Ben; ter; le; du; St."
)
NICK = _split("""
Bobby; Danny; Ricky; Billy; Tommy; Johnny; Jimmy; Charlie; Freddie; Eddie; Teddy; Archie; Andy; Gabby; Maddie; Abby; Becky;
Katie; Lizzie; Maggie; Peggy; Polly; Molly; Millie; Ellie; Gracie; Izzy; Jess; Jen; Jenny; Kat; Liv; Mel; Meg; Nat; Nell; Pip;
Sal; Sam; Steph; Tess; Tori; Vicky; Alex; Ben; Chris; Dan; Dave; Ed; Fred; Gabe; Greg; Hal; Jake; Jim; Joe; Ken; Kev; Larry; Leo;
Matt; Mike; Mick; Ned; Ollie; Pete; Phil; Ron; Sean; Stan; Steve; Ted; Tim; Tom; Tony; Vince; Zach; Zoe; Nico; Pepe; Paco; Lola;
Sasha; Misha; Vanya; Katya; Anya; Kiki; Lulu; Gigi; Bibi; Coco; T-Bone; Mo; Abdul; Ali; Raj; Vik; Sid; Anu; Dee; AJ; CJ; DJ; JP; TJ
""")
TITLES_M = _split(
    "Mr; Mr; Mr; Mr; Mr.; Mr.; Mr.; Mr.; Dr; Dr.; Prof.; Professor; Sir; Captain; Senator; Rev."
)
TITLES_F = _split(
    "Ms; Ms; Ms.; Ms.; Mrs; Mrs; Mrs.; Mrs.; Miss; Dr; Dr.; Prof.; Professor; Dame; Captain; Senator"
)
RANK = _split("""
President; Prime Minister; Chancellor; Minister; Senator; Governor; Mayor; Congressman; Congresswoman; Rep.; Sen.; Gov.; Judge;
Justice; Chief Justice; Professor; Dr.; Detective; Inspector; Officer; Sergeant; Lieutenant; Captain; Colonel; General; Admiral;
Coach; Chef; Archbishop; Bishop; Pope; Rabbi; Imam; Sheikh; Prince; Princess; King; Queen; Lord; Chairman; CEO; Director; Nurse
""")
JOB = _split("""
software engineer; nurse; teacher; plumber; accountant; project manager; sales director; chief executive; finance minister;
spokesman; spokeswoman; spokesperson; police officer; lawyer; barrister; solicitor; clerk; analyst; data scientist; driver;
carpenter; farmer; student; researcher; professor; lecturer; surgeon; dentist; pharmacist; architect; designer; electrician;
journalist; editor; photographer; actor; actress; singer; guitarist; midfielder; striker; goalkeeper; head coach; manager;
chairman; chairwoman; treasurer; secretary; receptionist; consultant; intern; warehouse worker; security guard; chef; waiter;
painter; novelist; poet; composer; politician; diplomat; economist; physicist; chemist; mathematician; biologist; historian;
philosopher; activist; entrepreneur; investor; landlord; tenant; witness; account manager; team lead; product owner; CFO; CTO; COO;
vice president; general counsel; HR manager; social worker; paramedic; pilot; firefighter; librarian; translator; caretaker
""")
NAT = _split("""
French; German; British; English; Scottish; Welsh; Irish; American; Canadian; Australian; Indian; Chinese; Japanese; Korean;
Nigerian; Kenyan; Ghanaian; South African; Egyptian; Turkish; Polish; Ukrainian; Russian; Italian; Spanish; Portuguese; Brazilian;
Mexican; Argentine; Colombian; Chilean; Peruvian; Swedish; Norwegian; Danish; Finnish; Dutch; Belgian; Swiss; Austrian; Czech;
Hungarian; Romanian; Bulgarian; Greek; Israeli; Lebanese; Iraqi; Iranian; Pakistani; Bangladeshi; Vietnamese; Thai; Indonesian;
Filipino; Malaysian; European; African; Asian; Latin American; Jewish; Muslim; Christian; Catholic; Arab; Roma
""")
LANG = _split("""
English; French; German; Spanish; Mandarin; Cantonese; Arabic; Hindi; Urdu; Bengali; Portuguese; Russian; Japanese; Korean; Turkish;
Polish; Dutch; Italian; Vietnamese; Swahili; Yoruba; Tamil; Latin; Greek; Hebrew; Welsh; Gaelic; Norwegian; Swedish; Chinese
""")
ERA = _split(
    "Islam; Christianity; Buddhism; Marxism; Brexit; the Renaissance; World War II; the Cold War; the Enlightenment; Romanticism; Cubism; the Great Depression; the Industrial Revolution"
)
HOLIDAY = _split("""
Christmas; Easter; Thanksgiving; Halloween; New Year; New Year's Eve; Diwali; Ramadan; Eid; Hanukkah; Passover; Lent; Good Friday;
Boxing Day; Labor Day; Memorial Day; Valentine's Day; Mother's Day; Father's Day; Independence Day; Black Friday; Cyber Monday;
Chinese New Year; Mardi Gras; Oktoberfest; Ascension Day; the Fourth of July; St. Patrick's Day; Bank Holiday Monday; Holi
""")
MONTH = _split(
    "January; February; March; April; May; June; July; August; September; October; November; December"
)
MONTHS_SHORT = _split("Jan; Feb; Mar; Apr; May; Jun; Jul; Aug; Sep; Sept; Oct; Nov; Dec")
WEEKDAY = _split(
    "Monday; Tuesday; Wednesday; Thursday; Friday; Saturday; Sunday; Mon; Tue; Wed; Thu; Fri; Sat; Sun"
)
PRODUCT = _split("""
iPhone; iPhone 15 Pro; iPad; MacBook Air; Apple Watch; AirPods; Galaxy S23; Pixel 8; Kindle; Xbox Series X; PlayStation 5; Nintendo Switch;
ThinkPad X1; Surface Pro; Roomba; Fitbit; GoPro; Echo Dot; Siri; Model 3; Prius; Corolla; Civic; Mustang; F-150; Golf GTI; Big Mac;
Coke Zero; Nutella; Red Bull; Snickers; Air Jordans; Levi's 501; Polaroid; Leica M6; Stratocaster; Les Paul; Excel; PowerPoint; Word; Outlook;
Teams; Photoshop; Windows 11; macOS Sonoma; Android; Chrome; Firefox; Safari; Gmail; Google Docs; Google Maps; ChatGPT; GPT-4; Gemini;
Llama 3; Copilot; Minecraft; Fortnite; Tetris; Call of Duty; Monopoly; Scrabble; Lego; Barbie; Tylenol; Advil; Prozac; Lipitor; Viagra;
Botox; Kleenex; Tupperware; Velcro; Jeep Wrangler; Boeing 737; A320; Concorde; Harley; Vespa; Game of Thrones; Star Wars; The Matrix; Titanic;
Breaking Bad; Friends; Harry Potter; Hamlet; Macbeth; War and Peace; Moby-Dick; Thriller; Bohemian Rhapsody; Abbey Road; Jeopardy
""")
TECH = _split("""
S3; EKS; EC2; IAM; RDS; Lambda; CloudFront; Route 53; DynamoDB; Kubernetes; Docker; Terraform; Ansible; Helm; Istio; Kafka; Redis; Postgres;
PostgreSQL; MySQL; SQLite; MongoDB; Elasticsearch; Kibana; Grafana; Prometheus; Jenkins; GitHub Actions; Git; Python; Java; JavaScript;
TypeScript; Rust; Go; Ruby; Ruby on Rails; Django; Flask; FastAPI; React; Vue; Angular; Svelte; Next.js; Node; Swift; Kotlin; Scala; Haskell;
Perl; Pascal; COBOL; Fortran; Lisp; C++; C#; PHP; HTML; CSS; JSON; YAML; TOML; XML; gRPC; REST; GraphQL; OAuth; SAML; JWT; TLS; SSH;
DNS; DHCP; TCP; UDP; HTTP; IPv6; VPN; CPU; GPU; RAM; SSD; NVMe; USB-C; HDMI; CUDA; PyTorch; TensorFlow; NumPy; Pandas; Spark; Airflow; dbt;
Snowflake; BigQuery; Linux; Ubuntu; Debian; Fedora; Alpine; Bash; Vim; Emacs; VS Code; Jira; Confluence; Slack; Zoom; Notion; Figma; Hadoop;
Jupyter; Maven; Gradle; Tomcat; Nginx; Apache; Jekyll; Celery; RabbitMQ; Vault; Consul; Argo; Jaeger; Salt; Puppet; Chef; Cassandra
""")
CODE = _split("""
C4; C3; B12; H5N1; COVID-19; A4; M25; I-95; Q3; Q4 FY24; Form W-2; Form 1099; Section 8; Article 6; Rule 12(b)(6); Title IX; HIPAA; GDPR; CCPA; SOX;
ISO 27001; PCI DSS; SOC 2; KPI; OKR; SLA; RFC 2119; CVE-2021-44228; P0; SEV2; API; SDK; ETA; FAQ; PDF; CSV; CEO; HR; IT; QA; MRI; CT; ECG; HbA1c;
BMI; HIV; DNA; RNA; PCR; IVF; ADHD; PTSD; LDL; TSH; CBC; ICU; GDP; CPI; VAT; IRA; 401(k); ETF; IPO; B2B; SaaS; MVP; ROI; EBITDA; POTUS; GOAT; LOL; OMG
""")
THING = _split("""
invoice; contract; report; meeting; laptop; password; server; account; delivery; order; refund; flight; hotel; ticket; appointment; interview;
presentation; budget; proposal; draft; slides; review; deployment; migration; database; dashboard; printer; badge; key; parking permit; passport;
visa; application; payment; subscription; warranty; package; sofa; dishwasher; bicycle; boiler; lease; mortgage; policy; claim; prescription;
referral; scan; blood test; vaccination; essay; thesis; homework; course; exam; recipe; cake; coffee; umbrella; jacket; phone; charger; guitar
""")
ADJ = _split(
    "great; new; late; urgent; final; quick; strange; difficult; annual; weekly; public; private; national; local; major; minor; historic; broken; missing; lovely; terrible; tiny; huge; old"
)
FEELING = _split(
    "so happy; really tired; hungry; bored; excited; sick of this; proud; worried; furious; confused; over the moon; not amused; half asleep; stressed out"
)
CONDITION = _split("""
type 2 diabetes; hypertension; asthma; Crohn's disease; Parkinson's disease; Alzheimer's; Hodgkin lymphoma; Down syndrome; Lyme disease; migraine;
pneumonia; atrial fibrillation; depression; a fractured wrist; COPD; hypothyroidism; Graves' disease; Bell's palsy; Tourette syndrome; sciatica; anaemia
""")
DRUG = _split(
    "metformin 500 mg; Lipitor; lisinopril; Ventolin; amoxicillin; Zoloft; ibuprofen; Xarelto; insulin glargine; Tylenol; omeprazole; sertraline 50mg; Humira; Eliquis"
)
EMOJI = _split(
    "😂; ❤️; 😍; 😭; 🔥; 🎉; 👍; 🙏; 😅; 🤔; 💀; ✨; 🙄; :); :-); :D; ;); :(; <3; xD; lol; haha; xx; !!!; ...; ♥"
)
HASHTAG = _split(
    "#happy; #love; #MondayMotivation; #tbt; #FollowFriday; #blessed; #FOMO; #WorldCup; #NowPlaying; #jobs; #news; #Brexit; #MeToo; #fail; #win; #photography; #sunset; #GoodVibes"
)
DEPT = _split(
    "Human Resources; Accounts Payable; Customer Success; Engineering; Legal; Finance; Marketing; Facilities; Procurement; Operations; IT Support; Payroll; Sales; Compliance; Research and Development"
)
SUBJECT = _split(
    "Mathematics; Physics; Economics; History; Computer Science; Law; Medicine; Linguistics; Philosophy; Chemistry; Biology; Fine Art; Mechanical Engineering; Public Health; Education; Business Administration"
)

COMPANY_KNOWN = _split("""
Google; Microsoft; Apple; Amazon; Facebook; Meta; Netflix; Tesla; IBM; Intel; AMD; Nvidia; Oracle; SAP; Cisco; Dell; HP; Lenovo; Samsung; Sony;
Panasonic; Toshiba; Hitachi; Huawei; Xiaomi; Alibaba; Tencent; Baidu; ByteDance; Twitter; LinkedIn; Uber; Lyft; Airbnb; Spotify; PayPal; Stripe;
Square; Shopify; eBay; Walmart; Target; Costco; Tesco; Sainsbury's; Marks & Spencer; Aldi; Lidl; Carrefour; IKEA; H&M; Zara; Nike; Adidas; Puma;
Gap; Coca-Cola; Pepsi; PepsiCo; Nestlé; Unilever; Procter & Gamble; Johnson & Johnson; Pfizer; Moderna; AstraZeneca; GlaxoSmithKline; Novartis;
Roche; Bayer; BASF; Siemens; Bosch; Volkswagen; BMW; Daimler; Toyota; Honda; Nissan; Ford; General Motors; Chrysler; Hyundai; Kia; Renault; Peugeot;
Fiat; Volvo; Tata Motors; Reliance Industries; Infosys; Wipro; Boeing; Airbus; Lockheed Martin; Rolls-Royce; BAE Systems; General Electric; Shell; BP;
ExxonMobil; Chevron; Total; Gazprom; Saudi Aramco; Goldman Sachs; JPMorgan Chase; Morgan Stanley; Bank of America; Citigroup; Wells Fargo; HSBC;
Barclays; Lloyds; Santander; Deutsche Bank; Credit Suisse; UBS; BNP Paribas; ING; Lehman Brothers; BlackRock; Berkshire Hathaway; Visa; Mastercard;
American Express; Deloitte; KPMG; PwC; Ernst & Young; McKinsey; Accenture; McDonald's; Burger King; Starbucks; Subway; KFC; Domino's; Chipotle;
British Airways; Delta; United Airlines; American Airlines; Lufthansa; Ryanair; easyJet; Emirates; Qantas; Malaysia Airlines; Air France; KLM; FedEx;
UPS; DHL; Royal Mail; USPS; Maersk; AT&T; Verizon; T-Mobile; Vodafone; Orange; BT; Comcast; Disney; Warner Bros.; Universal; Paramount; Pixar; HBO;
Marvel; Nintendo; Electronic Arts; Blizzard; Valve; OpenAI; Anthropic; DeepMind; Mistral; Hugging Face; Red Hat; Canonical; Mozilla; Adobe; Autodesk;
Salesforce; Zendesk; Atlassian; GitHub; Cloudflare; Enron; WorldCom; Monsanto; Halliburton; Blackwater; Caterpillar; John Deere; 3M; Kodak; Xerox
""")
AGENCY_KNOWN = _split("""
FBI; CIA; NSA; NASA; FDA; EPA; IRS; SEC; DEA; TSA; CDC; NIH; FEMA; FTC; FCC; Pentagon; Interpol; Europol; NATO; UN; United Nations; UNICEF; UNESCO; WHO;
World Health Organization; IMF; World Bank; WTO; European Union; EU; European Commission; European Parliament; European Central Bank; Bank of England;
Federal Reserve; Supreme Court; House of Commons; House of Lords; Congress; Senate; Bundestag; Knesset; Duma; Home Office; Foreign Office; Treasury;
Scotland Yard; Metropolitan Police; NHS; HMRC; DVLA; Ofcom; MI5; MI6; GCHQ; Mossad; KGB; Red Cross; Greenpeace; Amnesty International; Oxfam;
Human Rights Watch; Médecins Sans Frontières; Save the Children; WWF; FIFA; UEFA; IOC; NBA; NFL; NHL; MLB; FIA; ICC; OPEC; ASEAN; African Union;
Arab League; Hamas; Hezbollah; Taliban; Al-Qaeda; IRA; ETA; FARC; Boko Haram; State Department; Department of Justice; Department of Homeland Security;
Internal Revenue Service; Securities and Exchange Commission; Environmental Protection Agency; European Court of Human Rights; International Court of Justice;
Court of Appeal; High Court; Crown Prosecution Service; Constitutional Court; Court of Justice of the European Union; Royal Navy; US Army; Marine Corps; ISRO;
Reserve Bank of India; Citizens Advice; Salvation Army; YMCA; Rotary Club; Girl Scouts; Teamsters; ACLU; NAACP; AARP; NRA; UNHCR; OECD; IAEA; CERN; ESA
""")
PARTY_KNOWN = _split("""
Labour; Labour Party; Conservative Party; Tories; Liberal Democrats; Lib Dems; Green Party; SNP; UKIP; Sinn Féin; Fianna Fáil; Fine Gael; Democratic Party;
Republican Party; GOP; Democrats; Republicans; Libertarian Party; Tea Party; CDU; SPD; AfD; Bharatiya Janata Party; BJP; Indian National Congress;
African National Congress; ANC; Likud; Fatah; Communist Party; Workers' Party; Socialist Party; Law and Justice; Fidesz; Podemos; Five Star Movement; PDP; APC
""")
MEDIA_KNOWN = _split("""
BBC; BBC News; CNN; Fox News; NBC; CBS; ABC News; PBS; NPR; ITV; Channel 4; Sky News; Al Jazeera; Reuters; Associated Press; AP; AFP; Bloomberg; New York Times;
The New York Times; Washington Post; Wall Street Journal; The Guardian; Guardian; The Times; Daily Mail; The Sun; Daily Telegraph; Financial Times; The Economist;
Le Monde; Der Spiegel; El País; Times of India; The Hindu; Xinhua; TASS; USA Today; Los Angeles Times; Chicago Tribune; TIME; Newsweek; Vogue; Rolling Stone; Wired;
National Geographic; BuzzFeed; HuffPost; Vice; TechCrunch; The Onion; ESPN; MTV; Netflix; YouTube; Punch; Vanguard; Daily Nation; Straits Times; Globe and Mail
""")
BAND_KNOWN = _split("""
The Beatles; The Rolling Stones; Queen; U2; Coldplay; Radiohead; Oasis; Blur; Pink Floyd; Led Zeppelin; Nirvana; Metallica; Green Day; Blink 182; One Direction; 1D; BTS;
Blackpink; Maroon 5; Foo Fighters; Red Hot Chili Peppers; Arctic Monkeys; Muse; Linkin Park; Paramore; Fleetwood Mac; ABBA; Guns N' Roses; AC/DC; Iron Maiden; Spice Girls;
Backstreet Boys; The Who; The Clash; The Killers; The Cure; Depeche Mode; Daft Punk; Black Eyed Peas; Wu-Tang Clan; Jonas Brothers; Little Mix; The Wanted; McFly; JLS
""")
CLUB_KNOWN = _split("""
Manchester United; Man Utd; Man United; Manchester City; Arsenal; Chelsea; Liverpool; Tottenham; Spurs; Everton; Leeds United; Newcastle; Aston Villa; West Ham; Celtic; Rangers;
Real Madrid; Barcelona; Barca; Atlético Madrid; Bayern Munich; Borussia Dortmund; Juventus; AC Milan; Inter Milan; PSG; Ajax; Porto; Benfica; Galatasaray; Boca Juniors; Flamengo;
New York Yankees; Yankees; Red Sox; Dodgers; Cubs; Giants; Mets; Lakers; Celtics; Bulls; Miami Heat; Knicks; Warriors; Spurs; Cowboys; Patriots; Packers; Steelers; Eagles; Bears;
Broncos; Seahawks; Maple Leafs; Canadiens; Bruins; Rangers; Penguins; Mumbai Indians; Chennai Super Kings; All Blacks; Springboks; Wallabies; Ferrari; McLaren; Red Bull Racing
""")
UNIVERSITY_KNOWN = _split("""
Harvard; Harvard University; Yale; Princeton University; Stanford; MIT; Caltech; UC Berkeley; UCLA; Columbia University; Cornell; NYU; Oxford; University of Oxford; Cambridge;
Trinity College; King's College London; Imperial College; LSE; UCL; University of Edinburgh; ETH Zürich; Sorbonne; Heidelberg University; Tsinghua University; Peking University;
National University of Singapore; IIT Bombay; University of Lagos; University of Cape Town; McGill; University of Toronto; ANU; Eton; Eton College; Juilliard; West Point; Penn State
""")
HOSPITAL_KNOWN = _split(
    "Mayo Clinic; Johns Hopkins; Mount Sinai; Massachusetts General Hospital; Cleveland Clinic; St Thomas' Hospital; Great Ormond Street Hospital; Charité; Apollo Hospitals; Guy's Hospital; Addenbrooke's"
)

BRANDHEAD = _split(
    "Nex; Vel; Cor; Lum; Aer; Zen; Syn; Opt; Kin; Qua; Ver; Alt; Nov; Tri; Omni; Hel; Cal; Mer; Ast; Bri; Dex; Fen; Gal; Hyd; Inn; Jol; Kry; Lex; Myr; Ori; Pax; Rev; Sol; Tal; Ult; Vir; Xan; Yel; Zor; Pan; Medi; Agri; Petro; Cyber; Data; Info; Bio; Geo; Eco; Tele; Micro; Trans"
)
BRANDTAIL = _split(
    "ora; trix; ium; ix; ent; ara; onix; ity; ova; ius; ella; eon; atech; soft; gen; com; net; sys; works; ware; logic; metrics; labs; pay; cloud; byte; flow; base; stack; point; wave; link; max; plus; dyne; ron; tek; vance; care"
)
NOUN = _split(
    "Harbor; Summit; Ridge; River; Oak; Cedar; Maple; Pine; Stone; Bridge; Anchor; Beacon; Compass; Falcon; Eagle; Lion; Tiger; Fox; Bear; Horizon; Vista; Crest; Valley; Meadow; Forge; Mill; Castle; Crown; Shield; Arrow; Star; Moon; Sun; Lotus; Orchid; Phoenix; Dragon; Atlas; Titan; Apex; Pinnacle; Zenith; Vertex; Matrix; Nova; Comet; Lantern; Garden; Island; Ocean; Pacific; Atlantic; Northern; Southern; Western; Eastern; Global; United; National; First; Premier; Royal; Imperial; Golden; Silver; Red; Blue; Green; Black; White; Bright; Clear; Swift; Prime"
)
TRADE = _split(
    "Logistics; Technologies; Systems; Software; Solutions; Consulting; Capital; Holdings; Ventures; Partners; Pharmaceuticals; Biosciences; Foods; Bakery; Brewing; Coffee; Energy; Solar; Petroleum; Mining; Steel; Motors; Airlines; Shipping; Freight; Insurance; Bank; Credit Union; Savings Bank; Realty; Properties; Construction; Builders; Plumbing; Electric; Roofing; Landscaping; Catering; Media; Studios; Records; Publishing; Books; Press; Design; Interiors; Fashion; Apparel; Jewelers; Dental; Veterinary Clinic; Pharmacy; Medical Group; Labs; Robotics; Semiconductors; Telecom; Networks; Security; Staffing; Recruitment; Travel; Hotels; Resorts; Restaurants; Farms; Vineyards; Dairy; Textiles; Chemicals; Plastics; Packaging; Printing; Auto Repair; Cleaning Services; Law; Advisory; Asset Management; Investments; Securities; Industries; Enterprises; Trading; Imports; International"
)
SUFFIX = _split(
    "Inc.; Inc; LLC; L.L.C.; Ltd; Ltd.; Limited; plc; PLC; Corp.; Corporation; Co.; Company; GmbH; AG; S.A.; S.p.A.; B.V.; N.V.; Pty Ltd; Pvt. Ltd.; Pvt Ltd; Sdn Bhd; Oy; AB; A/S; LLP; LP; KG; SARL; Group; Holdings; & Co.; & Sons; Bros.; & Associates; and Partners"
)
MASCOT = _split(
    "United; City; Rovers; Wanderers; Athletic; Town; FC; F.C.; Albion; County; Tigers; Lions; Eagles; Hawks; Bears; Wolves; Sharks; Raiders; Knights; Warriors; Kings; Royals; Stars; Rockets; Thunder; Storm; Heat; Jets; Panthers; Bulldogs; Wildcats; Dragons; Rugby Club; Cricket Club; Harriers; Bulls; Rangers"
)
BANDNOUN = _split(
    "Wolves; Strangers; Lanterns; Motels; Satellites; Orphans; Machines; Shadows; Villains; Pigeons; Sparrows; Tigers; Saints; Drifters; Cousins; Ghosts; Mirrors; Pilots; Rebels; Robots; Sisters; Kites"
)
PORTFOLIO = _split(
    "Health; Finance; Education; Defence; Defense; Justice; the Interior; Foreign Affairs; Agriculture; Transport; Transportation; Labor; Energy; the Environment; Culture; Housing; Commerce; Public Works; Social Services; Immigration; Fisheries; Tourism; Veterans Affairs; Corrections"
)
SAINT = _split(
    "St. Mary's; St Mary's; St. Joseph's; St John's; St. Luke's; Sacred Heart; Holy Cross; St Andrew's; St. Vincent; St. Jude; Good Samaritan; Mercy; All Saints; St Bartholomew's; St. Francis; Our Lady of Lourdes; Trinity; Christ Church"
)
CAUSE = _split(
    "Cancer Research; Animal Welfare; Wildlife; Heart; Literacy; Refugee; Housing; Children's; Human Rights; Climate Action; Space; Arts; Veterans; Blind; Food Bank; Disability Rights; Consumer; Press Freedom"
)
ORGFORM = _split(
    "Trust; Foundation; Alliance; Association; Society; Council; Network; Institute; Federation; League; Fund; Coalition; Initiative; Union; Committee; Centre; Commission; Authority; Board"
)

REGIONNAME = _split("""
Europe; Asia; Africa; North America; South America; Latin America; Antarctica; Oceania; Middle East; Far East; Scandinavia; Balkans; Caucasus; Central Asia; Southeast Asia; Maghreb; Sahel;
Caribbean; Siberia; Patagonia; Amazon; Sahara; Gobi; Tibet; Kashmir; Punjab; Gujarat; Kerala; Tamil Nadu; Bavaria; Saxony; Catalonia; Andalusia; Basque Country; Brittany; Normandy; Provence; Tuscany;
Sicily; Sardinia; Lombardy; Flanders; Wallonia; Crimea; Donbas; Chechnya; Dagestan; Kurdistan; Gaza; Gaza Strip; West Bank; Golan Heights; Darfur; Tigray; Biafra; Transylvania; Scotland; Wales; England;
Northern Ireland; Cornwall; Kent; Sussex; Essex; Yorkshire; Lancashire; Devon; Norfolk; Suffolk; Cumbria; Surrey; Hampshire; Midlands; Highlands; Cotswolds; New England; Midwest; Deep South; Silicon Valley;
Bay Area; Appalachia; Long Island; Cape Cod; Quebec; Ontario; British Columbia; Alberta; Nova Scotia; New South Wales; Queensland; Victoria; Tasmania; Outback; Hokkaido; Okinawa; Bali; Java; Sumatra; Borneo;
Crete; Corsica; Mallorca; Ibiza; Hawaii; Guam; Zanzibar; West Africa; East Timor; Lagos State; Anambra; Kwazulu-Natal; Western Cape; Gauteng; Guangdong; Sichuan; Xinjiang; Inner Mongolia; UK; U.K.; US; U.S.; USA; U.S.A.; UAE; NYC; LA; SF; DC; Washington D.C.
""")
WATER = _split("""
Thames; Nile; Amazon; Mississippi; Danube; Rhine; Seine; Volga; Ganges; Yangtze; Mekong; Hudson; Hudson River; Colorado River; River Tyne; River Severn; Mersey; Potomac; Rio Grande; Niger; Congo; Zambezi;
Indus; Euphrates; Tigris; Tiber; Vistula; Elbe; Loch Ness; Lake Michigan; Lake Superior; Lake Victoria; Lake Geneva; Lake Tahoe; Baltic Sea; North Sea; Black Sea; Red Sea; Dead Sea; Mediterranean; Pacific;
Pacific Ocean; Atlantic; Atlantic Ocean; Indian Ocean; English Channel; Persian Gulf; Gulf of Mexico; South China Sea; Suez Canal; Panama Canal; Niagara Falls; Victoria Falls; Sea of Japan; Bay of Bengal; Adriatic
""")
SIGHT = _split("""
Mount Everest; Everest; Kilimanjaro; Mont Blanc; Mount Fuji; Matterhorn; Alps; Andes; Himalayas; Rocky Mountains; Rockies; Pyrenees; Ural Mountains; Grand Canyon; Yellowstone; Yosemite; Great Barrier Reef;
Eiffel Tower; Big Ben; Tower Bridge; London Bridge; Golden Gate Bridge; Brooklyn Bridge; Empire State Building; Statue of Liberty; White House; Buckingham Palace; Westminster Abbey; Notre-Dame; Louvre;
Colosseum; Taj Mahal; Great Wall; Forbidden City; Kremlin; Red Square; Tiananmen Square; Times Square; Trafalgar Square; Central Park; Hyde Park; Wall Street; Broadway; Downing Street; Abbey Road; Oxford Street;
Fifth Avenue; Champs-Élysées; Sunset Boulevard; Madison Square Garden; Wembley; Wembley Stadium; Old Trafford; Anfield; Camp Nou; Yankee Stadium; Wrigley Field; Staples Center; Heathrow; Gatwick; JFK; LAX; O'Hare;
Changi Airport; Charles de Gaulle; Grand Central; King's Cross; Penn Station; Waterloo Station; Disneyland; Alcatraz; Guantanamo Bay; Auschwitz; Chernobyl; Fukushima; Stonehenge; Burj Khalifa; Petronas Towers;
Sydney Opera House; Kew Gardens; Royal Albert Hall; Carnegie Hall; Covent Garden; Hollywood; Manhattan; Brooklyn; Queens; Bronx; Harlem; SoHo; Soho; Camden; Hackney; Brixton; Kreuzberg; Montmartre; Shibuya; Mission District
""")
BUILDINGFORM = _split(
    "Tower; House; Hall; Centre; Center; Plaza; Stadium; Arena; Airport; Station; Museum; Library; Theatre; Castle; Palace; Park; Square; Bridge; Cathedral; Church; Mall; Beach; Cemetery; Prison; Gardens; Hotel; Market; Pier; Lighthouse; Island; Valley; Forest; National Park; Lake; Mountain; Bay"
)
STREETWORD = _split("""
Main; High; Church; Park; Oak; Maple; Cedar; Elm; Pine; Walnut; Chestnut; Washington; Lincoln; Jefferson; Madison; Franklin; Jackson; Market; Mill; Station; Victoria; Albert; King; Queen; Prince; Bridge; River; Lake; Hill; Spring;
Sunset; Highland; Meadow; Forest; Garden; Orchard; Willow; Birch; Ash; Magnolia; Dogwood; Juniper; Cherry; Peach; Baker; Union; Liberty; Center; Central; North; South; West; East; Ocean; Harbor; Bay; Beach; Cliff; Valley; Canyon;
Ridge; Summit; Grove; Manor; Castle; Abbey; Chapel; School; College; Academy; Railway; Canal; Dock; Wharf; George; James; Charles; William; Mary; Martin Luther King Jr.; Cesar Chavez; Kennedy; Roosevelt; Wilson; Grant; Monroe; Adams;
1st; 2nd; 3rd; 4th; 5th; 8th; 14th; 23rd; 42nd; 110th; First; Second; Third; Fifth; Seventh; County Line; Old Post; Mulberry; Sycamore; Hawthorn; Primrose; Rose; Lavender; Heather; Foxglove; Kingfisher; Swallow; Nightingale; Wellington; Nelson
""")
TYPEUS = _split(
    "Street; St; St.; Avenue; Ave; Ave.; Road; Rd; Rd.; Drive; Dr; Dr.; Lane; Ln; Boulevard; Blvd; Blvd.; Court; Ct; Place; Pl; Way; Circle; Cir; Terrace; Parkway; Pkwy; Highway; Hwy; Trail; Loop; Square; Alley; Run; Path; Crossing; Turnpike"
)
TYPEUK = _split(
    "Street; Road; Lane; Avenue; Close; Drive; Way; Gardens; Crescent; Place; Terrace; Grove; Court; Mews; Hill; Row; Square; Walk; Green; Rise; Park; View; St; Rd; Ave; Cl"
)
TYPEAU = _split(
    "Street; St; Road; Rd; Avenue; Ave; Parade; Pde; Drive; Dr; Crescent; Cres; Court; Ct; Place; Lane; Terrace; Tce; Highway; Esplanade; Close; Way; Circuit; Boulevard"
)
USCODE = _split(
    "AL; AK; AZ; AR; CA; CO; CT; DE; FL; GA; HI; ID; IL; IN; IA; KS; KY; LA; ME; MD; MA; MI; MN; MS; MO; MT; NE; NV; NH; NJ; NM; NY; NC; ND; OH; OK; OR; PA; RI; SC; SD; TN; TX; UT; VT; VA; WA; WV; WI; WY; DC"
)
UK_AREAS = _split(
    "SW; SE; NW; W; E; N; EC; WC; B; M; L; LS; S; BS; OX; CB; EH; G; CF; BN; NE; NG; RG; GU; KT; PO; SO; EX; PL; TR; YO; DH; DE; LE; CV; WR; GL; BA; SN; IP; NR; CO; CM; SS; DA; ME; CT; TN; RH; BT; AB; DD"
)
UKCOUNTY = _split(
    "Kent; Surrey; Essex; Berkshire; Hampshire; West Sussex; Oxfordshire; Cambridgeshire; Hertfordshire; Norfolk; Suffolk; Devon; Cornwall; Somerset; Dorset; West Yorkshire; Lancashire; Cheshire; Merseyside; Greater Manchester; West Midlands; Tyne and Wear; Gwynedd; Fife; Co. Antrim"
)
INLOCALITY = _split(
    "Koramangala; Indiranagar; Jayanagar; Andheri East; Bandra West; Powai; Salt Lake; Connaught Place; Karol Bagh; Lajpat Nagar; Banjara Hills; Jubilee Hills; T. Nagar; Adyar; Whitefield; HSR Layout; Sector 18; Sector 62; Civil Lines; Model Town; Gomti Nagar; Viman Nagar; Hinjewadi; Vashi; Malviya Nagar; C-Scheme"
)
INSTATE = _split(
    "Karnataka; Maharashtra; Tamil Nadu; Delhi; New Delhi; Uttar Pradesh; West Bengal; Gujarat; Rajasthan; Kerala; Telangana; Punjab; Haryana; Bihar; Madhya Pradesh; Andhra Pradesh; Odisha; Assam; Goa"
)
IECOUNTY = _split(
    "Co. Cork; Co. Galway; Co. Kerry; Co. Mayo; Co. Donegal; Co. Wicklow; Co. Kildare; Co. Meath; Co. Clare; County Limerick; County Wexford; County Sligo; Dublin 2; Dublin 4; Dublin 7; Dublin 15; Dublin 6W"
)
CA_PROVINCES = _split("ON; QC; BC; AB; MB; SK; NS; NB; NL; PE; Ontario; Quebec; British Columbia; Alberta")
AUSTATE = _split("NSW; VIC; QLD; WA; SA; TAS; ACT; NT")
VERBCODE = _split(
    "refactor; fix; remove; handle; cache; retry; rename; document; deprecate; split; inline; validate; test; mock; profile; vectorise; simplify; revert"
)

FIRST_PINYIN = _split("""
Wei; Fang; Na; Min; Jing; Li; Qiang; Lei; Jun; Yang; Yong; Yan; Jie; Juan; Tao; Ming; Chao; Xiulan; Xia;
Ping; Gang; Guiying; Yulan; Jianguo; Jianhua; Haiyan; Xiaoming; Xiaoyan; Zhiqiang; Zhiwei; Mengqi; Yuxuan;
Zihan; Haoran; Ziyi; Xinyi; Jiaqi; Yifan; Chenxi; Wenjie; Lili; Tingting; Bingbing; Zhongshan; Ka-shing;
Chee; Hwa; Wai-man; Mei-ling; Kai-shek
""")
LAST_PINYIN = _split("""
Wang; Li; Zhang; Liu; Chen; Yang; Huang; Zhao; Wu; Zhou; Xu; Sun; Ma; Zhu; Hu; Guo; He; Lin; Gao; Luo;
Zheng; Liang; Xie; Song; Tang; Han; Feng; Deng; Cao; Peng; Zeng; Xiao; Tian; Dong; Pan; Yuan; Cai; Jiang;
Yu; Du; Ye; Cheng; Wei; Su; Lu; Ding; Ren; Shen; Yao; Ouyang; Sima; Zhuge; Shangguan; Chan; Wong; Cheung;
Leung; Lam; Ng; Ho; Kwok; Tsang; Yeung; Chow; Tan; Lim; Goh; Ong; Teo
""")
FIRST_ARABIC = _split("""
Ahmed; Mohammed; Mohamed; Muhammad; Ali; Omar; Hassan; Hussein; Khalid; Youssef; Ibrahim; Mustafa; Tariq;
Karim; Bilal; Hamza; Zaid; Faisal; Nasser; Samir; Walid; Rashid; Abdullah; Abdulrahman; Saif; Fatima; Aisha;
Layla; Leila; Noor; Nour; Maryam; Zainab; Huda; Salma; Amina; Yasmin; Rania; Dalia; Hanan; Samira; Khadija;
Sara
""")
LAST_ARABIC = _split("""
al-Assad; al-Masri; al-Hashimi; Al-Farsi; Haddad; Khoury; Nasser; Mansour; Saleh; Hamdan; Khalil; Abbas;
Aziz; Farouk; Rahman; Qureshi; Siddiqui; Abdallah; Barakat; Sabbagh; Darwish; El-Sayed; El-Baradei;
Bouazizi; Benali; Ben-Youssef; Zidane; Boutros; Shaheen; Jaber; Sayegh; Tahan; Al Maktoum
""")
FIRST_KOREAN = _split("""
Min-jun; Seo-yeon; Ji-hoon; Hye-jin; Jae-in; Geun-hye; Sung-min; Yuna; Ji-woo; Hyun-woo; Soo-jin; Chan-wook
""")
LAST_KOREAN = _split("""
Kim; Lee; Park; Choi; Jung; Kang; Cho; Yoon; Jang; Lim; Han; Shin; Seo; Kwon; Hwang; Ahn; Song; Moon; Bae
""")
FIRST_SLAVIC = _split("""
Ivan; Dmitry; Sergei; Alexei; Mikhail; Nikolai; Vladimir; Yuri; Oleg; Igor; Anatoly; Boris; Pavel; Olga;
Natalia; Svetlana; Irina; Tatiana; Anastasia; Ekaterina; Ludmila; Oksana; Taras; Bohdan; Milan; Zoran;
Dragan; Goran; Jelena; Milica
""")
LAST_SLAVIC = _split("""
Ivanov; Petrova; Sidorov; Kuznetsov; Smirnova; Volkov; Sokolov; Popov; Lebedeva; Kozlov; Novikov; Morozov;
Orlov; Shevchenko; Kovalenko; Bondarenko; Tkachenko; Kravchuk; Petrović; Jovanović; Nikolić; Đorđević;
Milošević; Stoyanov; Dimitrov; Georgiev; Gorbachev; Yeltsin; Medvedev; Navalny
""")
